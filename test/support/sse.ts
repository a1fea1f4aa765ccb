import type { Message } from './rpc.ts';

/** One event of a stream; `message` is its data as JSON where it has any. Events of another name carry no messages. */
export interface SseEvent {
  readonly id?: string;
  readonly event?: string;
  readonly retry?: number;
  readonly data: string;
  readonly message?: Message;
  /** Comment lines before the event, keep-alives for example. */
  readonly comments: readonly string[];
}

/** Events of a body as they arrive. A block that the end of the stream cuts off is dropped, as the standard says. */
export async function* readSse(body: AsyncIterable<Uint8Array>): AsyncGenerator<SseEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    for (;;) {
      const end = /\r\n\r\n|\n\n|\r\r/.exec(rest);
      if (end === null) break;
      const event = parseBlock(rest.slice(0, end.index));
      rest = rest.slice(end.index + end[0].length);
      yield event;
    }
  }
}

/** An event on the wire. */
export function formatSse(event: { data: string; id?: string; event?: string; retry?: number }): string {
  const id = event.id === undefined ? '' : `id: ${event.id}\n`;
  const name = event.event === undefined ? '' : `event: ${event.event}\n`;
  const retry = event.retry === undefined ? '' : `retry: ${event.retry}\n`;
  return `${id}${name}${retry}data: ${event.data.split('\n').join('\ndata: ')}\n\n`;
}

function parseBlock(block: string): SseEvent {
  const fields: { id?: string; event?: string; retry?: number } = {};
  const data: string[] = [];
  const comments: string[] = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === '') comments.push(value);
    else if (name === 'data') data.push(value);
    else if (name === 'id') fields.id = value;
    else if (name === 'event') fields.event = value;
    else if (name === 'retry') fields.retry = Number(value);
  }
  const text = data.join('\n');
  const isMessage = text !== '' && (fields.event ?? 'message') === 'message';
  return { ...fields, comments, data: text, ...(isMessage && { message: JSON.parse(text) as Message }) };
}
