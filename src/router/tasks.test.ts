import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../../test/support/core.ts';
import { type Respond, request } from '../../test/support/fakes.ts';
import { resultText } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';
import { encodeTaskId } from '../protocol/task-id.ts';

/** Says which task it was asked about. */
const respond: Respond = ({ id, text }) =>
  resultText(id, JSON.stringify({ taskId: JSON.parse(text).params.taskId }));

test('a task is asked of the server that its id names, and of no other', async (t) => {
  const { ask, link } = await startCore(t, {
    one: { tools: ['a'], respond },
    two: { tools: ['b'], respond },
  });
  const asked = (id: string) =>
    (link(id)?.requests ?? [])
      .filter(({ method }) => method.startsWith('tasks/'))
      .map(({ method }) => method);
  const methods = ['tasks/get', 'tasks/result', 'tasks/cancel'];
  for (const method of methods) {
    const { answered } = await ask(request(method, { taskId: encodeTaskId('two', 't.1') }));
    const own = method === 'tasks/result' ? 't.1' : encodeTaskId('two', 't.1');
    assert.deepEqual(answered.result, { taskId: own }, method);
  }
  assert.deepEqual([asked('one'), asked('two')], [[], methods]);
  for (const taskId of [encodeTaskId('three', 't.1'), 't', '.t', '']) {
    const { failures } = await ask(request('tasks/get', { taskId }));
    assert.deepEqual([failures[0]?.code, failures[0]?.message], [Code.InvalidParams, 'Unknown task'], taskId);
  }
  assert.deepEqual([asked('one'), asked('two')], [[], methods]);
});
