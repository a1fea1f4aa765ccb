import assert from 'node:assert/strict';
import type { Message } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { argumentSets, type Tool } from './arguments.ts';
import { TASK_STATUS } from './everything.ts';
import { type Mark, memberText, type Pair, type Side } from './pair.ts';

/** Tasks that were started on both sides. */
export interface Started {
  readonly mark: Mark;
  /** One for each set of arguments of each tool that runs as a task. */
  readonly running: readonly string[];
  /** One more, to be cancelled. */
  readonly extra: string;
}

/** One after the other, since servers list tasks in the order in which they came. */
export async function startTasks(pair: Pair, tools: readonly Tool[]): Promise<Started> {
  const mark = pair.mark;
  const able = tools.filter(({ execution }) => /^(required|optional)$/.test(execution?.taskSupport ?? ''));
  const running: string[] = [];
  for (const tool of able) {
    for (const args of argumentSets(tool)) running.push(await startTask(pair, tool, args));
  }
  assert.ok(able[0]);
  return { mark, running, extra: await startTask(pair, able[0], argumentSets(able[0])[0]) };
}

async function startTask(pair: Pair, { name }: Tool, args: unknown): Promise<string> {
  const params = { name, arguments: args, task: { ttl: 60_000 } };
  const [{ result }] = await pair.same('tools/call', params, { on: `${name} as a task` });
  return pair.nameOf('direct', result.task.taskId);
}

export async function sameTasks(pair: Pair, { mark, running, extra }: Started): Promise<void> {
  const of = (name: string) => (side: Side) => ({ taskId: pair.task(side, name) });
  // The result of a task that runs is waited for, and brings what the task has to ask on the way.
  await Promise.all(running.map((name) => pair.same('tasks/result', of(name))));
  pair.sameHeard(mark, ['elicitation/create']);
  for (const name of running) {
    const [{ result }] = await pair.same('tasks/get', of(name));
    assert.equal(result.status, 'completed');
    await pair.same('tasks/result', of(name));
  }
  await sameStatuses(pair, mark, [...running, extra]);
  await pair.same('tasks/list');
}

/** Right after its start, while it certainly runs; and once more, when it does no more. */
export async function sameCancellation(pair: Pair, { extra }: Started): Promise<void> {
  const task = (side: Side) => ({ taskId: pair.task(side, extra) });
  const [{ result }] = await pair.same('tasks/cancel', task);
  assert.equal(result.status, 'cancelled');
  const [{ error }] = await pair.same('tasks/cancel', task);
  assert.ok(error);
  await pair.same('tasks/get', task);
}

/** What the server told of each task: tasks run side by side, so only within one is there an order. */
async function sameStatuses(pair: Pair, mark: Mark, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const isOf =
      (side: Side) =>
      ({ method, params }: Message) =>
        method === TASK_STATUS && params?.['taskId'] === pair.task(side, name);
    const statuses = (side: Side) =>
      pair.heard(side, mark, isOf(side)).map((heard) => pair.comparable(side, memberText(heard, 'params')));
    await until(() => statuses('through').length >= statuses('direct').length, { what: `news of ${name}` });
    assert.deepEqual(statuses('through'), statuses('direct'));
  }
}
