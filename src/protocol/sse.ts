/** One server-sent event, as the WHATWG parser would dispatch it. Unlike a browser's, it may carry an id and no data: MCP primes streams with those. */
export interface SseEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
  /** Milliseconds, at most what a timer can count. */
  readonly retry: number | undefined;
}

/** Timers of the runtime count milliseconds in 32 bits; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

/** Takes the data of one large event piece by piece, in UTF-8 as it came. */
export interface LargeData {
  part(bytes: Buffer): void;
  end(): void;
}

/**
 * Asked once for each event whose data grows large: given the beginning of the data, it may take the rest as it comes.
 * Undefined: the event is collected like any other.
 */
export type TakeLarge = (head: string, id: string | undefined) => LargeData | undefined;

/** Beyond this many characters an event may be taken in pieces. */
const LARGE = 64 * 1024;

/** How the lines begin that carry data, with and without the one space that does not belong to it. */
const DATA = /^data(?:: ?|$)/;
const DATA_LENGTH = 'data: '.length;

const FEED = 0x0a;
const CARRIAGE = 0x0d;
const NOTHING = Buffer.alloc(0);

export class SseTooLarge extends Error {
  override readonly name = 'SseTooLarge';
}

/**
 * Bytes in any split to events. Each byte is looked at once: a line that arrives in many pieces is joined when it ends.
 * Throws {@link SseTooLarge} when one event grows beyond `maxEventSize` characters (bytes, where it is taken in pieces), so
 * an endless line can't fill memory.
 */
export class SseParser {
  readonly #onEvent: (event: SseEvent) => void;
  readonly #maxEventSize: number;
  /** Bytes of a character of which the rest has not come. */
  #cut: Buffer = NOTHING;
  #line: string[] = [];
  #size = 0;
  #afterCarriageReturn = false;
  #atStart = true;
  #event = '';
  #data: string[] = [];
  #id: string | undefined;
  #retry: number | undefined;
  #seen = false;
  readonly #takeLarge: TakeLarge | undefined;
  #asked = false;
  #large: LargeData | undefined;
  /** What the line is that is being read of an event that is taken in pieces. */
  #largeLine: 'data' | 'other' | 'unknown' = 'data';

  constructor(onEvent: (event: SseEvent) => void, maxEventSize: number, takeLarge?: TakeLarge) {
    this.#onEvent = onEvent;
    this.#maxEventSize = maxEventSize;
    this.#takeLarge = takeLarge;
  }

  push(chunk: Buffer): void {
    let text = this.#decode(this.#pass(chunk));
    if (text.length === 0) return;
    if (this.#atStart) {
      this.#atStart = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    let at = 0;
    if (this.#afterCarriageReturn && text.charCodeAt(0) === FEED) at = 1;
    this.#afterCarriageReturn = false;
    let feed = text.indexOf('\n', at);
    let carriage = text.indexOf('\r', at);
    while (feed !== -1 || carriage !== -1) {
      const end = carriage === -1 || (feed !== -1 && feed < carriage) ? feed : carriage;
      this.#endLine(text.slice(at, end));
      at = end + 1;
      if (text.charCodeAt(end) === CARRIAGE) {
        if (at === text.length) this.#afterCarriageReturn = true;
        else if (text.charCodeAt(at) === FEED) at++;
      }
      // Searched for again only once passed: looking for what is not there at each line would be quadratic.
      if (feed !== -1 && feed < at) feed = text.indexOf('\n', at);
      if (carriage !== -1 && carriage < at) carriage = text.indexOf('\r', at);
    }
    if (at < text.length) this.#hold(text.slice(at));
  }

  #decode(chunk: Buffer): string {
    const bytes = this.#cut.length === 0 ? chunk : Buffer.concat([this.#cut, chunk]);
    const whole = bytes.length - cutLength(bytes);
    // Copied: a slice would keep all of the chunk.
    this.#cut = whole === bytes.length ? NOTHING : Buffer.from(bytes.subarray(whole));
    return bytes.toString('utf8', 0, whole);
  }

  /** Passes a large line on as it is, which spares making text of it and bytes again. Returns what there is besides. */
  #pass(chunk: Buffer): Buffer {
    const large = this.#large;
    if (large === undefined || this.#largeLine !== 'data') return chunk;
    const feed = chunk.indexOf(FEED);
    const line = feed === -1 ? chunk : chunk.subarray(0, feed);
    const carriage = line.indexOf(CARRIAGE);
    const bytes = carriage === -1 ? line : line.subarray(0, carriage);
    this.#grow(bytes.length);
    if (this.#cut.length > 0) large.part(this.#cut);
    this.#cut = NOTHING;
    if (bytes.length > 0) large.part(bytes);
    return chunk.subarray(bytes.length);
  }

  #hold(piece: string): void {
    this.#grow(piece.length);
    if (this.#large !== undefined) return this.#holdLarge(this.#large, piece);
    this.#line.push(piece);
    if (this.#size > LARGE && !this.#asked) this.#offer();
  }

  /** Offers an event whose data is one long line, of which the beginning is here. */
  #offer(): void {
    this.#asked = true;
    const isMessage = this.#event === '' || this.#event === 'message';
    if (this.#takeLarge === undefined || this.#data.length > 0 || !isMessage) return;
    const line = this.#line.join('');
    if (!line.startsWith('data:')) return;
    const head = line.replace(DATA, '');
    this.#large = this.#takeLarge(head, this.#id);
    if (this.#large === undefined) return;
    this.#line = [];
    this.#largeLine = 'data';
    this.#large.part(Buffer.from(head));
  }

  #grow(by: number): void {
    this.#size += by;
    if (this.#size > this.#maxEventSize)
      throw new SseTooLarge(`an event of more than ${this.#maxEventSize} characters`);
  }

  #endLine(tail: string): void {
    this.#grow(tail.length);
    if (this.#large !== undefined) return this.#endLargeLine(this.#large, tail);
    let line = tail;
    if (this.#line.length > 0) {
      this.#line.push(tail);
      line = this.#line.join('');
      this.#line = [];
    }
    if (line === '') this.#dispatch();
    else this.#field(line);
  }

  #holdLarge(large: LargeData, piece: string): void {
    if (this.#largeLine === 'data') return large.part(Buffer.from(piece));
    if (this.#largeLine === 'other') return;
    this.#line.push(piece);
    const line = this.#line.join('');
    if (line.length < DATA_LENGTH) return;
    this.#line = [];
    this.#largeLine = DATA.test(line) ? 'data' : 'other';
    if (this.#largeLine === 'data') large.part(Buffer.from(line.replace(DATA, ' ')));
  }

  /** Several lines of data are one text with line breaks, which are white space in JSON; an empty line ends the event. */
  #endLargeLine(large: LargeData, tail: string): void {
    const is = this.#largeLine;
    this.#largeLine = 'unknown';
    if (is === 'other' || (is === 'data' && tail === '')) return;
    if (is === 'data') return large.part(Buffer.from(tail));
    const line = this.#line.join('') + tail;
    this.#line = [];
    if (DATA.test(line)) return large.part(Buffer.from(line.replace(DATA, ' ')));
    if (line !== '') return;
    this.#large = undefined;
    this.#clear();
    large.end();
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    let value = colon === -1 ? '' : line.slice(colon + 1);
    if (value.charCodeAt(0) === 0x20) value = value.slice(1);
    switch (name) {
      case 'data':
        this.#data.push(value);
        break;
      case 'event':
        this.#event = value;
        break;
      case 'id':
        if (!value.includes('\0')) this.#id = value;
        break;
      case 'retry':
        if (/^\d+$/.test(value)) this.#retry = Math.min(Number(value), LONGEST_TIMER_MS);
        break;
      default:
        return;
    }
    this.#seen = true;
  }

  #dispatch(): void {
    if (!this.#seen) {
      this.#size = 0;
      return;
    }
    const event: SseEvent = {
      event: this.#event === '' ? 'message' : this.#event,
      data: this.#data.length === 1 ? (this.#data[0] ?? '') : this.#data.join('\n'),
      id: this.#id,
      retry: this.#retry,
    };
    this.#clear();
    this.#onEvent(event);
  }

  #clear(): void {
    this.#size = 0;
    this.#asked = false;
    this.#event = '';
    this.#data = [];
    this.#id = undefined;
    this.#retry = undefined;
    this.#seen = false;
  }
}

/** How many bytes at the end belong to a character that is not complete. */
function cutLength(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

/** The text of one event. Data with line breaks becomes several `data:` lines. */
export function sseEventText(data: string, id?: string): string {
  const head = id === undefined ? '' : `id: ${id}\n`;
  const body = data.includes('\n') || data.includes('\r') ? data.split(/\r\n|\n|\r/).join('\ndata: ') : data;
  return `${head}data: ${body}\n\n`;
}

/** The beginning of an event whose data follows in pieces that have no line breaks; {@link SSE_EVENT_END} ends it. */
export function sseEventHead(id: string): string {
  return `id: ${id}\ndata: `;
}

export const SSE_EVENT_END = '\n\n';

/** How long a client should wait before it connects again, in milliseconds. */
export function sseRetryText(milliseconds: number): string {
  return `retry: ${milliseconds}\n\n`;
}

/** A comment, for keep-alive: no event to any parser. */
export const SSE_COMMENT = ': keep-alive\n\n';
