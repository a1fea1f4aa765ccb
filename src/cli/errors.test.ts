import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { ErrorCode, McpError } from '@modelcontextprotocol/sdk/types.js';
import { ConfigError } from '../config.ts';
import { BadRequestSchema } from '../gen/google/rpc/error_details_pb.ts';
import { failureOf, reaching } from './errors.ts';

const refused = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });

test('an answer nobody gave tells where it was looked for', async () => {
  const wrapped = [
    refused(),
    new TypeError('fetch failed', { cause: refused() }),
    new TypeError('fetch failed', { cause: new AggregateError([refused(), refused()]) }),
    ConnectError.from(refused()),
  ];
  for (const error of wrapped) {
    await assert.rejects(
      reaching('http://gateway', () => Promise.reject(error)),
      { exitCode: 3, message: /http:\/\/gateway.*ECONNREFUSED/ },
    );
  }
});

test('a server that cannot be reached is not a gateway that cannot be reached', async () => {
  const error = new ConnectError('docs: connection refused', Code.Unavailable);
  await assert.rejects(
    reaching('http://gateway', () => Promise.reject(error)),
    (thrown) => thrown === error,
  );
  assert.deepEqual(failureOf(error), { message: 'docs: connection refused', exitCode: 1 });
});

test('wrong fields are named, in one line', () => {
  const detail = create(BadRequestSchema, {
    fieldViolations: [
      { field: 'name', description: 'must be short' },
      { field: 'url', description: 'must be a URL' },
    ],
  });
  const error = new ConnectError('invalid request', Code.InvalidArgument, undefined, [
    { desc: BadRequestSchema, value: detail },
  ]);
  assert.deepEqual(failureOf(error), {
    message: 'invalid request (name: must be short; url: must be a URL)',
    exitCode: 1,
  });
});

test('an error of MCP is told without its number', () => {
  const error = new McpError(ErrorCode.InvalidParams, 'Unknown tool: x');
  assert.deepEqual(failureOf(error), { message: 'Unknown tool: x', exitCode: 1 });
});

test('a wrong configuration is a usage error', () => {
  assert.equal(failureOf(new ConfigError(['DRAGON_X: no']))?.exitCode, 2);
});

test('what is nobody’s fault but ours is not hidden', () => {
  assert.equal(failureOf(new TypeError('x is undefined')), undefined);
});
