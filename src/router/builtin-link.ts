import { z } from 'zod';
import type { Owner } from '../auth/principal.ts';
import type {
  AnswerSink,
  CancelRequest,
  DownstreamLink,
  DownstreamServer,
  ServerHandshake,
} from '../downstream/port.ts';
import {
  errorText,
  isObject,
  type Message,
  notificationText,
  own,
  parseMessage,
  type RequestMessage,
  resultText,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { LATEST_LEGACY } from '../protocol/versions.ts';
import {
  BUILTIN_TOOLS,
  type BuiltinContext,
  type BuiltinTool,
  builtinTool,
  type ReportProgress,
} from './builtin-tools.ts';

const BUILTIN_ID = 'builtin';

/** The gateway's own tools as the first server of an owner. */
export function builtinServer(owner: Owner): DownstreamServer {
  return {
    id: BUILTIN_ID,
    owner,
    name: 'dragon',
    prefix: '',
    ordinal: 0,
    revision: 1,
    target: { kind: 'builtin' },
  };
}

const TOOL_LIST = JSON.stringify({
  tools: Object.entries(BUILTIN_TOOLS).map(([name, { title, description, input, readOnly }]) => ({
    name,
    title,
    description,
    inputSchema: z.toJSONSchema(input, { io: 'input' }),
    annotations: { title, readOnlyHint: readOnly },
  })),
});

/** A server in the same process: requests are function calls. */
export class BuiltinLink implements DownstreamLink {
  readonly server: DownstreamServer;
  readonly handshake: ServerHandshake;
  readonly #context: BuiltinContext;

  constructor(server: DownstreamServer, context: BuiltinContext) {
    this.server = server;
    this.#context = context;
    const { name, version } = context.gateway;
    this.handshake = {
      protocolVersion: LATEST_LEGACY,
      capabilities: { tools: {} },
      serverInfo: { name, version },
    };
  }

  request(request: RequestMessage, sink: AnswerSink): CancelRequest {
    let open = true;
    const settle = (finish: () => void) => {
      if (!open) return;
      open = false;
      finish();
    };
    const progress = progressTo(request, (message) => open && sink.message(message.text, message));
    this.#answer(request, progress).then(
      (text) => settle(() => sink.answer(text)),
      (error) => settle(() => sink.fail(GatewayError.from(error))),
    );
    return (reason) => settle(() => sink.fail(reason));
  }

  send(): void {}

  listen(): void {}

  unlisten(): void {}

  readonly portable = undefined;

  async release(): Promise<void> {}

  async close(): Promise<void> {}

  async #answer(request: RequestMessage, progress: ReportProgress): Promise<string> {
    if (request.method === 'tools/list') return resultText(request.id, TOOL_LIST);
    if (request.method !== 'tools/call')
      return errorText(request.id, -32601, `Method not found: ${request.method}`);
    const name = request.params === undefined ? undefined : own(request.params, 'name');
    const tool = builtinTool(name);
    // The router answers the others.
    if (tool === undefined || !('run' in tool)) return errorText(request.id, -32602, `Unknown tool: ${name}`);
    const result = await builtinResult(tool, request, (input) => tool.run(input, this.#context, progress));
    return resultText(request.id, JSON.stringify(result));
  }
}

/** As MCP has the result of a call. */
interface ToolResult {
  readonly content: readonly { readonly type: 'text'; readonly text: string }[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean;
}

/** Wrong arguments are a tool error, not a protocol error: a model reads the former and can mend its call (2025-11-25, tools: Error Handling). */
export async function builtinResult(
  { input }: BuiltinTool,
  { params }: RequestMessage,
  run: (input: never) => unknown,
): Promise<ToolResult> {
  const read = input.safeParse((params && own(params, 'arguments')) ?? {});
  if (!read.success) return toolError(`Invalid arguments: ${z.prettifyError(read.error)}`);
  try {
    return toolResult(await run(read.data as never));
  } catch (thrown) {
    const error = GatewayError.from(thrown);
    if (error.code === Code.Internal) throw error;
    return toolError(error.message);
  }
}

function toolResult(value: unknown): ToolResult {
  if (typeof value === 'string') return { content: [{ type: 'text', text: value }] };
  return { content: [{ type: 'text', text: JSON.stringify(value, null, 2) }], structuredContent: value };
}

/** A result that says what is wrong, for a model to read. */
export function toolError(text: string): ToolResult {
  return { content: [{ type: 'text', text }], isError: true };
}

function progressTo(request: RequestMessage, send: (message: Message) => void): ReportProgress {
  const meta = request.params === undefined ? undefined : own(request.params, '_meta');
  const progressToken = isObject(meta) ? own(meta, 'progressToken') : undefined;
  if (progressToken === undefined) return () => {};
  return (progress, total, message) =>
    send(
      parseMessage(
        notificationText('notifications/progress', { progressToken, progress, total, message }),
        64,
      ),
    );
}
