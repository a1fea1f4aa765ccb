export type Id = string | number;

/** A JSON-RPC message as a peer under test may send it: nothing but the outline is trusted. */
export interface Message {
  readonly jsonrpc: '2.0';
  readonly id?: Id | null;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert on results of every shape
  readonly result?: any;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

export const result = (id: Id, value: unknown): Message => ({ jsonrpc: '2.0', id, result: value });

export const failure = (id: Id | null, code: number, message: string): Message => ({
  jsonrpc: '2.0',
  id,
  error: { code, message },
});

export const notification = (method: string, params?: Record<string, unknown>): Message => ({
  jsonrpc: '2.0',
  method,
  ...(params && { params }),
});

export const request = (id: Id, method: string, params?: Record<string, unknown>): Message => ({
  jsonrpc: '2.0',
  id,
  method,
  ...(params && { params }),
});

export const isRequest = (message: Message): message is Message & { id: Id; method: string } =>
  message.method !== undefined && message.id !== undefined && message.id !== null;

export const isResponse = (message: Message): message is Message & { id: Id } =>
  message.method === undefined && message.id !== undefined && message.id !== null;

/** The first text block of a tool's result. */
export function textOf(message: Message): string {
  const text = message.result?.content?.[0]?.text;
  if (typeof text !== 'string') throw new Error(`No text in ${JSON.stringify(message)}`);
  return text;
}
