import { setTimeout as delay } from 'node:timers/promises';

interface ToolCall {
  readonly name: string;
  readonly args: Record<string, unknown>;
  readonly meta: Record<string, unknown>;
  /** Aborted when the client cancels the request. */
  readonly signal: AbortSignal;
  readonly notify: (method: string, params: Record<string, unknown>) => void;
  /** Sends a request to the client and waits for its result. An error answer rejects. */
  readonly ask: (method: string, params: Record<string, unknown>) => Promise<unknown>;
}

/** A tool: its list entry, and what it does. The default is to answer its name. */
export interface PeerTool {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema?: Record<string, unknown>;
  readonly [listed: string]: unknown;
  readonly run?: (call: ToolCall) => unknown;
}

/** A tool's result of one text block. */
export const text = (value: string) => ({ content: [{ type: 'text', text: value }] });

/** The tools a peer has unless told otherwise. Calls of `hold` put the function that lets them answer into `held`. */
export function standardTools(held: Set<() => void>): readonly PeerTool[] {
  return [
    {
      name: 'echo',
      description: 'Answers its text',
      inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
      annotations: { readOnlyHint: true, idempotentHint: true },
      run: ({ args }) => text(String(args['text'] ?? '')),
    },
    {
      name: 'slow',
      description: 'Reports progress `steps` times, `stepMs` apart',
      run: async ({ args, meta, signal, notify }) => {
        const total = Number(args['steps'] ?? 3);
        for (let progress = 1; progress <= total; progress++) {
          await delay(Number(args['stepMs'] ?? 10), undefined, { signal });
          const progressToken = meta['progressToken'];
          if (progressToken !== undefined)
            notify('notifications/progress', { progressToken, progress, total });
        }
        return text(`${total} steps`);
      },
    },
    {
      name: 'hold',
      description: 'Answers when the test says so',
      run: ({ signal }) =>
        new Promise((resolve, reject) => {
          const answer = () => resolve(text('released'));
          held.add(answer);
          signal.addEventListener('abort', () => {
            held.delete(answer);
            reject(signal.reason);
          });
        }),
    },
    {
      name: 'elicit',
      description: 'Asks the user',
      run: async ({ args, ask }) => {
        const requestedSchema = { type: 'object', properties: { answer: { type: 'string' } } };
        const message = String(args['message'] ?? 'Well?');
        return text(JSON.stringify(await ask('elicitation/create', { message, requestedSchema })));
      },
    },
    {
      name: 'sample',
      description: 'Asks the model',
      run: async ({ args, ask }) => {
        const content = { type: 'text', text: String(args['prompt'] ?? 'Well?') };
        const params = { messages: [{ role: 'user', content }], maxTokens: 16 };
        return text(JSON.stringify(await ask('sampling/createMessage', params)));
      },
    },
    {
      name: 'roots',
      description: "Asks for the client's roots",
      run: async ({ ask }) => text(JSON.stringify(await ask('roots/list', {}))),
    },
    { name: 'fail', description: 'Fails', run: () => ({ isError: true, ...text('It failed.') }) },
    {
      name: 'big',
      description: 'Answers `bytes` letters',
      run: ({ args }) => text('x'.repeat(Number(args['bytes'] ?? 1024))),
    },
  ];
}
