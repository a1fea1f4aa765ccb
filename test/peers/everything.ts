import assert from 'node:assert/strict';
import { isRequest, type Message } from '../support/rpc.ts';
import { argumentSets, type Tool, wrongArguments } from './arguments.ts';
import type { Pair } from './pair.ts';
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

export const UPDATED = 'notifications/resources/updated';
export const LOGGED = 'notifications/message';
export const TASK_STATUS = 'notifications/tasks/status';

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
