import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, type LogFormat } from './logger.ts';
import type { LogLevel } from './types.ts';

function logged(level: LogLevel, format: LogFormat = 'json') {
  const written: string[] = [];
  const logger = createLogger({
    level,
    format,
    node: 'n1',
    destination: { write: (text: string) => void written.push(text) },
  });
  return { logger, written, lines: () => written.map((text) => JSON.parse(text) as Record<string, unknown>) };
}

test('a line is JSON with time, level, node, message and fields', () => {
  const { logger, lines } = logged('info');
  logger.info('Server added', { server: 'files', headers: { authorization: 'Bearer abcdef' } });
  const [line] = lines();
  assert.ok(!Number.isNaN(Date.parse(String(line!['time']))));
  assert.deepEqual(
    { ...line, time: undefined },
    {
      time: undefined,
      level: 'info',
      node: 'n1',
      server: 'files',
      headers: { authorization: '[redacted]' },
      msg: 'Server added',
    },
  );
});

test('levels below the chosen one are neither written nor enabled', () => {
  const { logger, written } = logged('warn');
  logger.debug('a');
  logger.info('b');
  logger.warn('c');
  logger.error('d', { err: new Error('x') });
  assert.equal(written.length, 2);
  assert.equal(logger.enabled('info'), false);
  assert.equal(logger.enabled('error'), true);
});

test('silent writes nothing', () => {
  const { logger, written } = logged('silent');
  logger.error('a');
  assert.deepEqual(written, []);
});

test('a child adds its fields, redacted too', () => {
  const { logger, lines } = logged('debug');
  logger.child({ part: 'catalog', token: 'abc' }).debug('Fetched', { tools: 3 });
  const [line] = lines();
  assert.equal(line!['part'], 'catalog');
  assert.equal(line!['token'], '[redacted]');
  assert.equal(line!['tools'], 3);
});

test('pretty lines are for people', () => {
  const { logger, written } = logged('info', 'pretty');
  logger.info('Started', { port: 8081 });
  const text = written.join('');
  assert.match(text, /INFO.*Started/);
  assert.match(text, /port: 8081/);
  assert.ok(!text.trimStart().startsWith('{'));
});

test('an error keeps its type, stack and cause', () => {
  const { logger, lines } = logged('info');
  logger.error('Failed', { err: new RangeError('outer', { cause: new TypeError('inner') }) });
  const err = lines()[0]!['err'] as Record<string, unknown>;
  assert.equal(err['type'], 'RangeError');
  assert.match(String(err['stack']), /logger\.test/);
  assert.equal((err['cause'] as Record<string, unknown>)['type'], 'TypeError');
});
