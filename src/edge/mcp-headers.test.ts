import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../protocol/errors.ts';
import { ASSUMED_VERSION, LEGACY_VERSIONS } from '../protocol/versions.ts';
import { checkGetHeaders, checkPostHeaders, sessionIdOf, versionOf } from './mcp-headers.ts';

const JSON_TYPE = 'application/json';
const BOTH = 'application/json, text/event-stream';

test('a POST must be JSON', () => {
  for (const type of [
    JSON_TYPE,
    'APPLICATION/JSON',
    'application/json; charset=utf-8',
    'application/json ;x',
  ]) {
    checkPostHeaders({ 'content-type': type, accept: BOTH });
  }
  for (const type of [
    undefined,
    '',
    'text/plain',
    'application/jsonp',
    'application/json-rpc',
    'text/json',
    'application/x-www-form-urlencoded',
    'text/plain; application/json',
    'multipart/form-data; boundary=application/json',
  ]) {
    const headers = type === undefined ? { accept: BOTH } : { accept: BOTH, 'content-type': type };
    assert.throws(() => checkPostHeaders(headers), { code: Code.UnsupportedMediaType }, type);
  }
});

test('a POST’s sender must take both forms of an answer', () => {
  const accepts = [
    BOTH,
    'text/event-stream,application/json',
    '*/*',
    'APPLICATION/JSON;q=0.9 , Text/Event-Stream;q=1',
    'application/*, text/*',
  ];
  for (const accept of accepts) checkPostHeaders({ 'content-type': JSON_TYPE, accept });
  // No header at all means anything (RFC 9110, 12.5.1).
  checkPostHeaders({ 'content-type': JSON_TYPE });
  for (const accept of [
    '',
    JSON_TYPE,
    'text/event-stream',
    'text/html',
    'application/json, text/event-streams',
    'text/*',
  ]) {
    assert.throws(
      () => checkPostHeaders({ 'content-type': JSON_TYPE, accept }),
      { code: Code.NotAcceptable },
      accept,
    );
  }
});

test('what is refused by weight is not accepted', () => {
  const accept = 'application/json, text/event-stream;q=0';
  assert.throws(() => checkPostHeaders({ 'content-type': JSON_TYPE, accept }), { code: Code.NotAcceptable });
  assert.throws(() => checkGetHeaders({ accept: 'text/event-stream; q=0.000' }), {
    code: Code.NotAcceptable,
  });
  checkGetHeaders({ accept: 'text/event-stream; q=0.001' });
});

test('a GET’s sender must take a stream', () => {
  for (const accept of ['text/event-stream', '*/*', 'text/*', 'application/json, text/event-stream'])
    checkGetHeaders({ accept });
  assert.throws(() => checkGetHeaders({ accept: JSON_TYPE }), { code: Code.NotAcceptable });
});

test('the version is what the header says, and the oldest where it says nothing', () => {
  assert.equal(versionOf({}), ASSUMED_VERSION);
  for (const version of LEGACY_VERSIONS)
    assert.equal(versionOf({ 'mcp-protocol-version': version }), version);
  for (const version of [
    '',
    '2024-11-05',
    '1900-01-01',
    `${ASSUMED_VERSION}, ${ASSUMED_VERSION}`,
    'toString',
  ]) {
    assert.throws(
      () => versionOf({ 'mcp-protocol-version': version }),
      { code: Code.UnsupportedVersion },
      version,
    );
  }
});

test('a session id must be there', () => {
  assert.equal(sessionIdOf({ 'mcp-session-id': 'x' }), 'x');
  for (const headers of [{}, { 'mcp-session-id': '' }, { 'mcp-session-id': ['a', 'b'] }]) {
    assert.throws(() => sessionIdOf(headers), { code: Code.SessionRequired });
  }
});
