import type { RawStream } from './raw-client.ts';
import type { Message } from './rpc.ts';

/** Reads a stream from now on; what has come so far is in the array, in order. Ends with the stream. */
export function inbox(stream: RawStream): readonly Message[] {
  const messages: Message[] = [];
  const read = async () => {
    for (let message = await stream.next(); message !== undefined; message = await stream.next()) {
      messages.push(message);
    }
  };
  // A stream that is cut, by the test or by its end, has no more to give.
  read().catch(() => {});
  return messages;
}

/** How many of the messages have this method. */
export const countOf = (messages: readonly Message[], method: string): number =>
  messages.filter((message) => message.method === method).length;
