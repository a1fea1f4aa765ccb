import { StringDecoder } from 'node:string_decoder';

export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/** Bytes in any split to lines. Throws {@link LineTooLong} at a line of more than `maxLength` characters. */
export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #maxLength: number;
  readonly #decoder = new StringDecoder('utf8');
  #pieces: string[] = [];
  #length = 0;

  constructor(onLine: (line: string) => void, maxLength: number) {
    this.#onLine = onLine;
    this.#maxLength = maxLength;
  }

  push(chunk: Buffer): void {
    const text = this.#decoder.write(chunk);
    let at = 0;
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', at)) {
      this.#hold(text.slice(at, end));
      at = end + 1;
      const line = this.#pieces.length === 1 ? (this.#pieces[0] ?? '') : this.#pieces.join('');
      this.#pieces = [];
      this.#length = 0;
      this.#onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    }
    if (at < text.length) this.#hold(text.slice(at));
  }

  #hold(piece: string): void {
    this.#length += piece.length;
    if (this.#length > this.#maxLength) {
      this.#pieces = [];
      throw new LineTooLong(`a line of more than ${this.#maxLength} characters`);
    }
    this.#pieces.push(piece);
  }
}
