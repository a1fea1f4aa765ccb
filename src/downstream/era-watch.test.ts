import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordingSink } from '../../test/support/fakes.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { EraWatch } from './era-watch.ts';
import { PostRefused } from './http-errors.ts';

function doubts(act: (watch: EraWatch) => void): number {
  let count = 0;
  const sink = new RecordingSink();
  act(new EraWatch(sink, () => count++));
  assert.equal(sink.answers.length + sink.failures.length, 1);
  return count;
}

const error = (code: number, message: string) =>
  `{"jsonrpc":"2.0","error":{"code":${code},"message":"${message}"},"id":1}`;

test('answers that only a server of the other era gives are told of, and passed on', () => {
  for (const body of [
    error(-32022, 'Unsupported protocol version'),
    error(-32000, 'Bad Request: Server not initialized'),
    error(-32000, 'Bad Request: Mcp-Session-Id header is required'),
    error(-32001, 'Session not found'),
  ]) {
    assert.equal(
      doubts((watch) => watch.answer(body)),
      1,
      body,
    );
    assert.equal(
      doubts((watch) => watch.answer(Buffer.from(body))),
      1,
      body,
    );
  }
  assert.equal(
    doubts((watch) => watch.fail(new PostRefused(Code.DownstreamProtocol, 'HTTP 405'))),
    1,
  );
});

test('other answers are passed on and no more', () => {
  for (const body of [
    error(-32000, 'The disk is full'),
    error(-32602, 'No such session'),
    '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\\"error\\" -32022"}]}}',
  ])
    assert.equal(
      doubts((watch) => watch.answer(body)),
      0,
      body,
    );
  const away = new GatewayError(Code.DownstreamUnavailable, 'away');
  assert.equal(
    doubts((watch) => watch.fail(away)),
    0,
  );
});
