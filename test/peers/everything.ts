import assert from 'node:assert/strict';
import { isRequest, type Message } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { argumentSets, type Tool, wrongArguments } from './arguments.ts';
import { type Mark, memberText, type Pair, type Side } from './pair.ts';
import type { Reaction } from './react.ts';

/** Each function here uses one part of server-everything on both sides of a pair, and fails where the two differ. */

/** What a server asks and tells as part of a call, and so before its answer. */
const DURING_CALLS = [
  'sampling/createMessage',
  'elicitation/create',
  'tasks/get',
  'tasks/result',
  'notifications/progress',
];

const UPDATED = 'notifications/resources/updated';
const LOGGED = 'notifications/message';
const TASK_STATUS = 'notifications/tasks/status';

/** What a server lists to the clients of a pair. */
export interface Everything {
  readonly tools: readonly Tool[];
  readonly prompts: readonly Prompt[];
  readonly resources: readonly { readonly uri: string }[];
  readonly resourceTemplates: readonly { readonly uriTemplate: string }[];
}

interface Prompt {
  readonly name: string;
  readonly arguments?: readonly { readonly name: string; readonly required?: boolean }[];
}

export function sameHello({ direct, through }: Pair): void {
  const [theirs, ours] = [direct.hello?.result, through.hello?.result];
  assert.deepEqual(ours.capabilities, theirs.capabilities);
  assert.equal(ours.instructions, `# real\n${theirs.instructions.trim()}`);
}

export async function sameLists(pair: Pair): Promise<Everything> {
  const list = async (method: string, key: string) => {
    const [{ result }] = await pair.same(method);
    assert.ok(result[key].length > 0 && result.nextCursor === undefined, method);
    return result[key];
  };
  return {
    tools: await list('tools/list', 'tools'),
    prompts: await list('prompts/list', 'prompts'),
    resources: await list('resources/list', 'resources'),
    resourceTemplates: await list('resources/templates/list', 'resourceTemplates'),
  };
}

export async function sameTool(pair: Pair, tool: Tool): Promise<void> {
  const { name } = tool;
  const wrong = wrongArguments(tool);
  if (Object.keys(wrong).length > 0) await pair.same('tools/call', { name, arguments: wrong });
  for (const [index, args] of argumentSets(tool).entries()) {
    // A token may be a number as well as a string.
    const params = {
      name,
      arguments: args,
      _meta: { progressToken: index % 2 === 0 ? `p-${index}` : index },
    };
    const mark = pair.mark;
    const [{ result }] = await pair.same('tools/call', params, { meanwhile: DURING_CALLS });
    for (const reaction of otherReactions(
      pair.heard('direct', mark, isRequest).map(({ message }) => message),
    )) {
      pair.react(reaction);
      await pair.same('tools/call', params, { meanwhile: DURING_CALLS });
    }
    pair.react('accept');
    for (const uri of urisIn(result)) await pair.same('resources/read', { uri });
  }
}

/** What else a user could have said to these questions. */
function otherReactions(asked: readonly Message[]): readonly Reaction[] {
  const reactions = new Set<Reaction>();
  for (const { method, params } of asked.filter((message) => DURING_CALLS.includes(message.method ?? ''))) {
    reactions.add('refuse');
    if (method === 'elicitation/create') reactions.add('decline').add('cancel');
    if (params?.['task'] !== undefined) reactions.add('task');
  }
  return [...reactions];
}

/** What a tool's result links to. */
function urisIn(result: Message['result']): readonly string[] {
  const content: readonly { uri?: string; resource?: { uri: string } }[] = result?.content ?? [];
  return content.flatMap(({ uri, resource }) => uri ?? resource?.uri ?? []);
}

export async function samePrompt(pair: Pair, { name, arguments: known = [] }: Prompt): Promise<void> {
  const ref = { type: 'ref/prompt', name };
  const args: Record<string, string> = {};
  const choices: Record<string, string>[] = [];
  for (const argument of known) {
    const values = await sameCompletions(pair, ref, argument.name, args);
    args[argument.name] = values[0] ?? 'some “text”';
    choices.push(...values.map((value) => ({ [argument.name]: value })));
  }
  const required = known.filter((argument) => argument.required).map((argument) => argument.name);
  const least = Object.fromEntries(required.map((key) => [key, args[key]]));
  await pair.same('prompts/get', { name });
  for (const given of [least, args, ...choices.map((choice) => ({ ...args, ...choice }))]) {
    await pair.same('prompts/get', { name, arguments: given });
  }
}

export async function sameResource(pair: Pair, { uri }: { readonly uri: string }): Promise<void> {
  const [{ result }] = await pair.same('resources/read', { uri });
  assert.equal(result.contents.length, 1);
}

export async function sameTemplate(pair: Pair, uriTemplate: string): Promise<void> {
  const names = [...uriTemplate.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
  assert.notEqual(names.length, 0);
  for (const name of names) await sameCompletions(pair, { type: 'ref/resource', uri: uriTemplate }, name, {});
  for (const value of ['1', '22', 'none']) {
    const uri = uriTemplate.replaceAll(/\{\w+\}/g, value);
    await pair.same('resources/read', { uri }, { on: uriTemplate });
  }
}

/** Completions of nothing, of something, and of something else; returns all values that were offered. */
async function sameCompletions(
  pair: Pair,
  ref: { readonly type: string; readonly name?: string; readonly uri?: string },
  argument: string,
  context: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const offered = new Set<string>();
  for (const value of ['', '1', 'S', 'no such value']) {
    const [{ result }] = await pair.same(
      'completion/complete',
      { ref, argument: { name: argument, value }, context: { arguments: { ...context } } },
      { on: `${ref.name ?? ref.uri} ${argument}` },
    );
    for (const each of result.completion.values) offered.add(each);
  }
  return [...offered];
}

/** The server asks for the roots when it likes, and again when they change. */
export async function sameRoots(pair: Pair): Promise<void> {
  const name = 'get-roots-list';
  const [before] = await pair.same('tools/call', { name });
  assert.match(before.result.content[0].text, /file:\/\/\/a/);
  pair.roots = [...pair.roots, { uri: 'file:///b' }];
  const mark = pair.mark;
  await pair.both((client) => client.notify('notifications/roots/list_changed'));
  await pair.untilHeard(mark, 1, ({ method }) => method === 'roots/list', 'roots/list');
  await pair.both((client, side) =>
    until(async () => (await client.request('tools/call', { name })).text.includes('file:///b'), {
      what: `the other root ${side}`,
    }),
  );
  await pair.same('tools/call', { name });
}

/** The server logs each subscription, and each end of one, as information. */
const isOfSubscription = ({ method, params }: Message) =>
  method === LOGGED && /^Received (Uns|S)ubscribe/.test(String(params?.['data']));

export async function sameSubscriptions(pair: Pair, resources: Everything['resources']): Promise<void> {
  const [first, second] = resources.map(({ uri }) => uri);
  const toggle = () => pair.same('tools/call', { name: 'toggle-subscriber-updates' });
  const isUpdate = ({ method }: Message) => method === UPDATED;
  const before = pair.mark;
  await pair.same('resources/subscribe', { uri: first });
  await pair.same('resources/subscribe', { uri: second });
  const started = pair.mark;
  await toggle();
  await pair.untilHeard(started, 2, isUpdate, UPDATED);
  await toggle();
  await pair.same('resources/unsubscribe', { uri: first });
  const again = pair.mark;
  await toggle();
  await pair.untilHeard(again, 1, isUpdate, UPDATED);
  await toggle();
  await pair.same('resources/unsubscribe', { uri: second });
  // The server logs each of the four; all of that has to be over before the next test looks at its log.
  await pair.untilHeard(before, 4, isOfSubscription, LOGGED);
  for (const side of ['direct', 'through'] as const) {
    const updated = (mark: Mark) =>
      pair.heard(side, mark, isUpdate).map(({ message }) => message.params?.['uri']);
    assert.deepEqual(updated(started).slice(0, 2), [first, second], side);
    assert.ok(
      updated(again).every((uri) => uri === second),
      side,
    );
  }
}

export async function sameLogging(pair: Pair, resources: Everything['resources']): Promise<void> {
  const [first, second] = resources.map(({ uri }) => uri);
  const mark = pair.mark;
  await pair.same('logging/setLevel', { level: 'error' });
  await pair.same('resources/subscribe', { uri: first });
  await pair.same('logging/setLevel', { level: 'info' });
  await pair.same('resources/subscribe', { uri: second });
  await pair.untilHeard(mark, 1, isOfSubscription, LOGGED);
  for (const side of ['direct', 'through'] as const) {
    const [told, ...more] = pair.heard(side, mark, isOfSubscription);
    assert.match(String(told?.message.params?.['data']), new RegExp(`URI: ${second} `), side);
    assert.deepEqual(more, []);
  }
  pair.sameHeard(mark, [LOGGED]);
  for (const uri of [first, second]) await pair.same('resources/unsubscribe', { uri });
  await sameSimulatedLogging(pair);
}

/** Messages of a level that the server chooses at random: two servers never say the same, so the form is compared. */
async function sameSimulatedLogging(pair: Pair): Promise<void> {
  const toggle = () => pair.same('tools/call', { name: 'toggle-simulated-logging' });
  const isSimulated = ({ method, params }: Message) =>
    method === LOGGED && /level[- ]message/.test(String(params?.['data']));
  await pair.same('logging/setLevel', { level: 'debug' });
  const mark = pair.mark;
  await toggle();
  await pair.untilHeard(mark, 1, isSimulated, 'simulated logging');
  await toggle();
  for (const side of ['direct', 'through'] as const) {
    for (const { message } of pair.heard(side, mark, isSimulated)) {
      const { level, data, ...more } = message.params ?? {};
      assert.match(String(data), new RegExp(`^${level}[- ]level`, 'i'));
      assert.deepEqual(more, {});
    }
  }
}

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

/** Fails where something that the server lists has not been used, or a way for it to speak has not been taken. */
export function nothingLeftOut(
  pair: Pair,
  { tools, prompts, resources, resourceTemplates }: Everything,
): void {
  const listed = [
    ...tools.map(({ name }) => `tools/call ${name}`),
    ...prompts.map(({ name }) => `prompts/get ${name}`),
    ...prompts.flatMap(({ name, arguments: known = [] }) =>
      known.map((argument) => `completion/complete ${name} ${argument.name}`),
    ),
    ...resources.map(({ uri }) => `resources/read ${uri}`),
    ...resourceTemplates.map(({ uriTemplate }) => `resources/read ${uriTemplate}`),
    ...resources
      .slice(0, 2)
      .flatMap(({ uri }) => [`resources/subscribe ${uri}`, `resources/unsubscribe ${uri}`]),
  ];
  const methods = ['tasks/get', 'tasks/result', 'tasks/cancel', 'tasks/list', 'logging/setLevel'];
  assert.deepEqual(
    [...listed, ...methods].filter((each) => !pair.used.has(each)),
    [],
  );
  const spoken = new Set(pair.through.heard.map(({ message }) => message.method));
  const ways = [...DURING_CALLS, UPDATED, LOGGED, TASK_STATUS, 'roots/list'];
  assert.deepEqual(
    ways.filter((method) => !spoken.has(method)),
    [],
  );
}
