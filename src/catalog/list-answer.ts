import { MAX_ANSWER_DEPTH, readResponse } from '../downstream/call.ts';
import { parseJson, type ResponseMessage } from '../protocol/envelope.ts';
import { memberAt, type Span, streamElements } from '../protocol/json-text.ts';
import type { Pace } from './pace.ts';

/** One element of a list, as a value and as its text. */
interface ListElement {
  readonly value: unknown;
  readonly text: string;
}

export interface ListAnswer {
  /** The answer with its list empty. */
  readonly frame: ResponseMessage;
  /** Undefined where it has no list. */
  readonly elements: readonly ListElement[] | undefined;
}

/**
 * The answer to a list request, read element by element with pauses: one with thousands of entries would hold up
 * everything else. Throws what {@link readResponse} throws.
 */
export async function readListAnswer(
  text: string,
  list: string,
  serverName: string,
  pace: Pace,
): Promise<ListAnswer> {
  // For what has no list, and for the error that what is not as it should be gives.
  const asWhole = () => ({ frame: readResponse(text, serverName), elements: undefined });
  const result = memberAt(text, 0, 'result');
  const start = result === undefined ? undefined : memberAt(text, result, list);
  if (start === undefined || text[start] !== '[') return asWhole();
  const elements: ListElement[] = [];
  const spans = streamElements(text, start);
  let next: IteratorResult<Span, number | undefined> = spans.next();
  while (next.done !== true) {
    const own = text.slice(next.value.start, next.value.end);
    try {
      elements.push({ value: parseJson(own, MAX_ANSWER_DEPTH), text: own });
    } catch {
      return asWhole();
    }
    if (pace.isDue) await pace.rest();
    next = spans.next();
  }
  if (next.value === undefined) return asWhole();
  return { frame: readResponse(`${text.slice(0, start)}[]${text.slice(next.value)}`, serverName), elements };
}
