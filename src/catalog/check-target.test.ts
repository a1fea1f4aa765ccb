import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../test/support/json-text.ts';
import { anyNetwork } from '../../test/support/networks.ts';
import type { HttpTarget, ServerTarget, StdioTarget } from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { checkTarget } from './check-target.ts';

const networks = anyNetwork();

const http = (more: Partial<HttpTarget>): HttpTarget => ({
  kind: 'http',
  url: 'https://example.com/mcp',
  headers: {},
  ...more,
});
const stdio = (more: Partial<StdioTarget>): StdioTarget => ({
  kind: 'stdio',
  command: 'npx',
  args: [],
  env: {},
  ...more,
});

function faults(target: ServerTarget): GatewayError | undefined {
  try {
    checkTarget(target, networks);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, Code.InvalidArgument);
    return error;
  }
}

const fieldsOf = (target: ServerTarget) => faults(target)?.fields.map(({ field }) => field) ?? [];

test('what can be called is taken', () => {
  const targets = [
    http({}),
    http({ url: 'http://127.0.0.1:3000/mcp?a=b' }),
    http({ url: 'http://[::1]/' }),
    http({
      headers: { Authorization: 'Bearer x', 'X-Api-Key': '', 'x-tab': 'a\tb', 'x-latin': 'caf\u00e9' },
    }),
    stdio({
      command: '/usr/bin/my server',
      args: ['', '-y', 'ä\n'],
      env: { PATH: '', _A1: 'x\ny' },
      cwd: '/srv',
    }),
  ];
  for (const target of targets) assert.deepEqual(fieldsOf(target), [], JSON.stringify(target));
});

test('a URL must be http or https, without credentials and without a fragment', () => {
  for (const url of [
    '',
    'example.com',
    '/mcp',
    'ftp://x/',
    'file:///etc/passwd',
    'http://',
    'javascript:1',
    'ws://x',
  ]) {
    assert.deepEqual(fieldsOf(http({ url })), ['url'], url);
  }
  for (const url of ['http://u@x/', 'http://u:p4ss@x/', 'http://:p4ss@x/', 'http://x/#frag']) {
    const error = faults(http({ url }));
    assert.deepEqual(
      error?.fields.map(({ field }) => field),
      ['url'],
      url,
    );
    assert.ok(!error.message.includes('p4ss'));
  }
});

test('headers that the transport writes itself are refused in any case', () => {
  for (const name of [
    'Host',
    'CONTENT-LENGTH',
    'mcp-session-id',
    'Mcp-Protocol-Version',
    'Transfer-Encoding',
    'accept',
    'Expect',
  ]) {
    assert.deepEqual(fieldsOf(http({ headers: { [name]: 'x' } })), ['headers'], name);
  }
});

test('what the HTTP client would refuse to send is refused here, and no value is shown', () => {
  const token = /^[\w!#$%&'*+.^`|~-]+$/;
  const secret = 's3cr3t';
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, minLength: 1, maxLength: 4 }), (text) => {
      const bad = faults(http({ headers: { 'x-a': secret + text } }));
      assert.equal(bad === undefined, /^[\t\x20-\x7e\x80-\xff]*$/.test(text), JSON.stringify(text));
      if (bad !== undefined) assert.ok(!JSON.stringify([bad.message, bad.fields]).includes(secret));
      if (!token.test(text)) assert.deepEqual(fieldsOf(http({ headers: { [text]: secret } })), ['headers']);
    }),
    { numRuns: 500 },
  );
  for (const value of ['a\r\nb: c', 'a\nb', 'a\0', '\x7f', '日本', '€']) {
    assert.deepEqual(fieldsOf(http({ headers: { 'x-a': value } })), ['headers'], JSON.stringify(value));
  }
});

test('a command, its arguments, variables and folder must be something a process can be given', () => {
  assert.deepEqual(fieldsOf(stdio({ command: ' ' })), ['stdio.command']);
  assert.deepEqual(fieldsOf(stdio({ command: 'a\0b' })), ['stdio.command']);
  assert.deepEqual(fieldsOf(stdio({ args: ['a', 'b\0'] })), ['stdio.args']);
  assert.deepEqual(fieldsOf(stdio({ cwd: '/a\0' })), ['stdio.cwd']);
  for (const name of ['', '1A', 'A B', 'A=B', 'A\0', 'Ä']) {
    assert.deepEqual(fieldsOf(stdio({ env: { [name]: 'x' } })), ['stdio.env'], JSON.stringify(name));
  }
  const error = faults(stdio({ env: { TOKEN: 's3cr3t\0' } }));
  assert.deepEqual(
    error?.fields.map(({ field }) => field),
    ['stdio.env'],
  );
  assert.ok(!JSON.stringify([error.message, error.fields]).includes('s3cr3t'));
});

test('every wrong field is named, the first in the message', () => {
  const error = faults(http({ url: 'x', headers: { 'bad name': '', Host: '', ok: 'a\n' } }));
  assert.deepEqual(
    error?.fields.map(({ field }) => field),
    ['url', 'headers', 'headers', 'headers'],
  );
  assert.match(error.message, /^url: must be/);
  const both = stdio({ command: '', args: ['\0'], env: { 'a b': '' } });
  assert.deepEqual(fieldsOf(both), ['stdio.command', 'stdio.args', 'stdio.env']);
});
