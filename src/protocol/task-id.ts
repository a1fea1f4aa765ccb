import { isObject, own } from './envelope.ts';
import { locate, splice } from './json-text.ts';

/** The member of `_meta` that ties a message to a task (2025-11-25, tasks: Related Task Metadata). */
const RELATED_TASK = 'io.modelcontextprotocol/related-task';

/** The id under which a client knows a task: it says whose it is, so any node can ask that server. */
export function encodeTaskId(serverId: string, taskId: string): string {
  return `${serverId}.${taskId}`;
}

/** Undefined for an id that {@link encodeTaskId} does not make. */
export function decodeTaskId(
  value: string,
): { readonly serverId: string; readonly taskId: string } | undefined {
  const dot = value.indexOf('.');
  return dot <= 0 ? undefined : { serverId: value.slice(0, dot), taskId: value.slice(dot + 1) };
}

/**
 * A message's text with the task ids in it translated: the one at `path`, where there is one, and the one that its
 * metadata names. `translate` returns undefined for an id that stays as it is. Every other byte is kept.
 */
export function translateTaskIds(
  text: string,
  path: readonly string[] | undefined,
  translate: (taskId: string) => string | undefined,
): string {
  const paths = [
    ...(path === undefined ? [] : [path]),
    ...(text.includes(RELATED_TASK) ? RELATED_PATHS : []),
  ];
  return paths.reduce((current, each) => translateAt(current, each, translate), text);
}

const RELATED_PATHS = [
  ['params', '_meta', RELATED_TASK, 'taskId'],
  ['result', '_meta', RELATED_TASK, 'taskId'],
] as const;

function translateAt(
  text: string,
  path: readonly string[],
  translate: (taskId: string) => string | undefined,
): string {
  const span = locate(text, path);
  if (span === undefined) return text;
  const value: unknown = JSON.parse(text.slice(span.start, span.end));
  const translated = typeof value === 'string' ? translate(value) : undefined;
  return translated === undefined ? text : splice(text, span, JSON.stringify(translated));
}

/** Whether a request asks for a task in place of a result. */
export function asksForTask(params: unknown): boolean {
  return isObject(params) && isObject(own(params, 'task'));
}
