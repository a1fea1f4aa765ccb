import type { React } from './text-client.ts';

/** Everything that a server may ask of a client, in the form of 2025-11-25. */
export const ABLE = {
  sampling: {},
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
  tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
};

/** What a user does with a question. `task`: the client says that it will answer later. */
export type Reaction = 'accept' | 'decline' | 'cancel' | 'refuse' | 'task';

/** Looks like a task id of the gateway's, and is not: it must pass unchanged. */
const TASK_ID = 'client.task-1';

const TIME = '2026-01-02T03:04:05.678Z';

const task = (status: string) => ({
  taskId: TASK_ID,
  status,
  ttl: null,
  createdAt: TIME,
  lastUpdatedAt: TIME,
});

/** Reactions to every kind of request; the same each time, so that two servers hear the same. */
export function reactingWith(reaction: Reaction, roots: () => readonly unknown[]): React {
  let put: (() => Record<string, unknown>) | undefined;
  return ({ method, params = {} }) => {
    if (method === 'roots/list') return { roots: roots() };
    if (method === 'tasks/get') return task('completed');
    if (method === 'tasks/result') {
      return { ...put?.(), _meta: { 'io.modelcontextprotocol/related-task': { taskId: TASK_ID } } };
    }
    if (reaction === 'refuse') throw new Error('The user refused');
    const answer = () => (method === 'sampling/createMessage' ? sampled(params) : elicited(reaction, params));
    if (reaction !== 'task' || params['task'] === undefined) return answer();
    put = answer;
    return { task: task('working') };
  };
}

function sampled(params: Record<string, unknown>): Record<string, unknown> {
  return {
    role: 'assistant',
    content: { type: 'text', text: `Said to ${JSON.stringify(params['messages'])}` },
    model: 'a-model',
    stopReason: 'endTurn',
  };
}

function elicited(reaction: Reaction, params: Record<string, unknown>): Record<string, unknown> {
  if (reaction === 'decline' || reaction === 'cancel') return { action: reaction };
  if (params['mode'] === 'url') return { action: 'accept' };
  const { properties = {} } = params['requestedSchema'] as Schema;
  const entries = Object.entries(properties).map(([name, schema]) => [name, sample(schema)]);
  return { action: 'accept', content: Object.fromEntries(entries) };
}

/** A JSON Schema as far as servers use it in forms and for arguments. */
export interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly { readonly const?: unknown }[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

const TEXTS: Readonly<Record<string, string>> = {
  email: 'a@example.com',
  uri: 'https://example.com/',
  date: '2026-01-02',
};

/** A value that fits. */
export function sample(schema: Schema): unknown {
  if (schema.default !== undefined) return schema.default;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.oneOf !== undefined) return schema.oneOf[0]?.const;
  switch (schema.type) {
    case 'boolean':
      return true;
    case 'number':
    case 'integer':
      return schema.minimum ?? 1;
    case 'array':
      return schema.items === undefined ? [] : [sample(schema.items)];
    default:
      return TEXTS[schema.format ?? ''] ?? 'some “text”';
  }
}
