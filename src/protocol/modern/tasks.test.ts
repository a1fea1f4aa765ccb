import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { parseMessage, type RequestMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { TASKS } from './capabilities.ts';
import {
  hasTasks,
  isTaskMethod,
  readTaskRequest,
  requireTasks,
  taskNotificationForClient,
  taskResponseForClient,
} from './tasks.ts';

function request(text: string): RequestMessage {
  const message = parseMessage(text, 64);
  assert.ok(message.kind === 'request');
  return message;
}

test('the extension has three methods, and those of older versions are not among them', () => {
  for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) assert.ok(isTaskMethod(method));
  for (const method of ['tasks/result', 'tasks/list', 'tools/call']) assert.ok(!isTaskMethod(method));
});

test('who has not declared the extension is told so', () => {
  const declared = { extensions: { [TASKS]: {} } };
  assert.ok(hasTasks(declared));
  requireTasks(declared);
  for (const other of [
    {},
    { tasks: {} },
    { extensions: {} },
    { extensions: { 'x/y': {} } },
    { extensions: { [TASKS]: true } },
  ]) {
    assert.ok(!hasTasks(other));
    assert.throws(
      () => requireTasks(other),
      (error) => {
        assert.ok(error instanceof GatewayError && error.code === Code.MissingCapability);
        assert.deepEqual(error.data, { requiredCapabilities: declared });
        return true;
      },
    );
  }
});

describe('a request about a task', () => {
  it('goes to the server whose task it is, under the id that the server gave it', () => {
    const text =
      '{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":{"inputResponses":{"n":1.0},"taskId":"s1.a.b"}}';
    assert.deepEqual(readTaskRequest(request(text)), {
      serverId: 's1',
      taskId: 'a.b',
      text: text.replace('s1.a.b', 'a.b'),
    });
  });

  it('is refused where the id is none of ours', () => {
    const codes: Readonly<Record<string, Code>> = {
      '{"taskId":"nodot"}': Code.InvalidParams,
      '{"taskId":".x"}': Code.InvalidParams,
      '{"taskId":7}': Code.InvalidParams,
      '{}': Code.InvalidParams,
      '{"taskId":"s.a","taskId":"s.b"}': Code.InvalidRequest,
    };
    for (const [params, code] of Object.entries(codes)) {
      const message = request(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":${params}}`);
      assert.throws(
        () => readTaskRequest(message),
        (error) => error instanceof GatewayError && error.code === code,
      );
    }
  });
});

describe("a server's word of a task", () => {
  it('names the server in the id, in the answer that makes the task and in those about it', () => {
    const made = '{"jsonrpc":"2.0","id":1,"result":{"resultType":"task","taskId":"t","ttlMs":6.0e4}}';
    assert.equal(taskResponseForClient(made, 'tools/call', 's'), made.replace('"t"', '"s.t"'));
    const got =
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","taskId":"t","result":{"taskId":"t"}}}';
    assert.equal(taskResponseForClient(got, 'tasks/get', 's'), got.replace('"t"', '"s.t"'));
    const told =
      '{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t","status":"working"}}';
    assert.equal(taskNotificationForClient(told, 's'), told.replace('"t"', '"s.t"'));
  });

  it('is not taken for one where a tool has a member of that name', () => {
    const text = '{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[],"taskId":"t"}}';
    assert.equal(taskResponseForClient(text, 'tools/call', 's'), text);
    const error = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"m"}}';
    assert.equal(taskResponseForClient(error, 'tasks/get', 's'), error);
  });
});
