import { Code } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';

/** How the library begins what it says of a message that is none. */
const UNREADABLE = 'parse binary: ';

const GRPC_MESSAGE = encodeURIComponent(UNREADABLE);
const INTERNAL = `grpc-status: ${Code.Internal}`;
/** Of the same length: what is before it says how long it is. */
const INVALID = `grpc-status:  ${Code.InvalidArgument}`;

/**
 * A message that is no message is its sender's mistake, as one in JSON is. The library calls it a fault of ours, in each of its
 * three protocols in another way, and before anything of ours sees it.
 */
export async function blamingSender(answer: UniversalServerResponse): Promise<UniversalServerResponse> {
  if (answer.status === 500) return blamingInConnect(answer);
  const { body, trailer } = answer;
  if (body === undefined) return answer;
  return { ...answer, body: blamingInGrpc(body, trailer) };
}

async function blamingInConnect(answer: UniversalServerResponse): Promise<UniversalServerResponse> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body ?? []) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const message = messageIn(bytes.toString());
  if (message?.startsWith(UNREADABLE) !== true) return { ...answer, body: one(bytes) };
  answer.header?.delete('content-length');
  const body = one(Buffer.from(JSON.stringify({ code: 'invalid_argument', message })));
  return { ...answer, status: 400, body };
}

function messageIn(text: string): string | undefined {
  try {
    const message: unknown = Reflect.get(Object(JSON.parse(text)), 'message');
    return typeof message === 'string' ? message : undefined;
  } catch {
    return undefined;
  }
}

async function* one(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** gRPC has it in the trailer, which is complete behind the body; gRPC-Web at the end of the body. */
async function* blamingInGrpc(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers | undefined,
): AsyncIterable<Uint8Array> {
  for await (const chunk of body) yield blamingInWeb(chunk);
  if (trailer?.get('grpc-status') !== String(Code.Internal)) return;
  if (trailer.get('grpc-message')?.startsWith(GRPC_MESSAGE))
    trailer.set('grpc-status', String(Code.InvalidArgument));
}

const TRAILER_FLAG = 0x80;

function blamingInWeb(chunk: Uint8Array): Uint8Array {
  if (chunk[0] !== TRAILER_FLAG) return chunk;
  const text = Buffer.from(chunk).toString('latin1');
  if (!text.includes(INTERNAL) || !text.includes(GRPC_MESSAGE)) return chunk;
  return Buffer.from(text.replace(INTERNAL, INVALID), 'latin1');
}
