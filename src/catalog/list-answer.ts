import { parseJson, parseMessage, type ResponseMessage } from '../protocol/envelope.ts';
import { memberAt, type Span, streamElements } from '../protocol/json-text.ts';
import type { Pace } from './pace.ts';

/** Of an answer that a server gives to the gateway itself. */
const MAX_DEPTH = 512;

/** One element of a list, as a value and as its text. */
interface ListElement {
  readonly value: unknown;
  readonly text: string;
}

export interface ListAnswer {
  /** The answer with its list empty; undefined where it has none. */
  readonly frame: ResponseMessage;
  readonly elements: readonly ListElement[] | undefined;
}

/**
 * The answer to a list request, read element by element with pauses: one with thousands of entries would hold up
 * everything else. Throws for what is no JSON-RPC response, as `parseMessage` does.
 */
export async function readListAnswer(text: string, list: string, pace: Pace): Promise<ListAnswer> {
  const result = memberAt(text, 0, 'result');
  const start = result === undefined ? undefined : memberAt(text, result, list);
  if (start === undefined || text[start] !== '[') return { frame: response(text), elements: undefined };
  const elements: ListElement[] = [];
  const spans = streamElements(text, start);
  let next: IteratorResult<Span, number | undefined> = spans.next();
  while (next.done !== true) {
    const own = text.slice(next.value.start, next.value.end);
    elements.push({ value: parseJson(own, MAX_DEPTH), text: own });
    if (pace.isDue) await pace.rest();
    next = spans.next();
  }
  // What is not as it should be is read as a whole, for the error that it gives.
  if (next.value === undefined) return { frame: response(text), elements: undefined };
  return { frame: response(`${text.slice(0, start)}[]${text.slice(next.value)}`), elements };
}

function response(text: string): ResponseMessage {
  const message = parseMessage(text, MAX_DEPTH);
  if (message.kind !== 'response') throw new TypeError('not a response');
  return message;
}
