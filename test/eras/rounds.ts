import assert from 'node:assert/strict';
import type { ModernClient } from '../support/modern-client.ts';
import type { Message } from '../support/rpc.ts';

/** What a modern client can be asked in these tests. */
export const ABLE = { elicitation: {} };

const ANSWER = { action: 'accept', content: { username: 'ada', email: 'ada@example.org' } };

/** What came back in place of a result. */
export interface Asked {
  readonly requestState: string;
  readonly keys: readonly string[];
}

/** The arguments of a call that asks its client something. */
const ARGUMENTS = { message: 'Who are you?' };

/** Calls a tool that asks its client something. */
export async function ask(client: ModernClient, tool: string): Promise<Asked> {
  const { message } = await client.callTool(tool, ARGUMENTS, { capabilities: ABLE });
  const result = message!.result;
  assert.equal(result?.resultType, 'input_required', JSON.stringify(message));
  return { requestState: result.requestState, keys: Object.keys(result.inputRequests) };
}

/** Comes back with answers, to whichever node the client is of. */
export async function retry(
  client: ModernClient,
  tool: string,
  { requestState, keys }: Asked,
  args: Record<string, unknown> = ARGUMENTS,
): Promise<Message> {
  const inputResponses = Object.fromEntries(keys.map((key) => [key, ANSWER]));
  const params = { name: tool, arguments: args, inputResponses, requestState };
  const { message } = await client.request('tools/call', params, { capabilities: ABLE });
  return message!;
}

export function refused(message: Message): void {
  assert.equal(message.error?.code, -32602, JSON.stringify(message));
  assert.match(message.error.message, /requestState/);
}
