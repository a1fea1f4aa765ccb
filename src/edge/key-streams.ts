import type { Principal } from '../auth/principal.ts';
import type { HttpResponse } from './http-io.ts';

/** Keys that are over, which may still have a request on its way to open a stream. */
const MAX_OVER = 1000;

/** Open streams by the API key that they were opened with: they would outlive it. */
export class KeyStreams {
  readonly #open = new Map<string, Set<HttpResponse>>();
  readonly #over = new Set<string>();

  /** Nothing for a principal that was known by something other than an API key. */
  hold({ keyId }: Principal, response: HttpResponse): void {
    if (keyId === undefined || response.destroyed) return;
    if (this.#over.has(keyId)) return void response.destroy();
    const open = this.#open.get(keyId) ?? new Set();
    this.#open.set(keyId, open.add(response));
    response.on('close', () => {
      open.delete(response);
      if (open.size === 0 && this.#open.get(keyId) === open) this.#open.delete(keyId);
    });
  }

  get keyIds(): Iterable<string> {
    return this.#open.keys();
  }

  /** The key is over. */
  end(keyId: string): void {
    const [oldest] = this.#over;
    if (oldest !== undefined && this.#over.size >= MAX_OVER) this.#over.delete(oldest);
    this.#over.add(keyId);
    for (const response of [...(this.#open.get(keyId) ?? [])]) response.destroy();
  }
}
