import { type Message, own, parseMessage, type RequestMessage } from '../protocol/envelope.ts';

const MAX_DEPTH = 1024;

/**
 * Which of those who share a channel have subscribed to which resources. To the server they are one client: what one of
 * them ends must go on for the others, and what it says of a resource is for those who asked.
 */
export class Subscriptions<Share> {
  readonly #byUri = new Map<string, Set<Share>>();

  get isEmpty(): boolean {
    return this.#byUri.size === 0;
  }

  /** Takes note of a request. True for one that ends a subscription which others still have: the server must not see it. */
  note(share: Share, request: RequestMessage): boolean {
    const { method } = request;
    if (method !== 'resources/subscribe' && method !== 'resources/unsubscribe') return false;
    const uri = uriOf(request);
    if (typeof uri !== 'string') return false;
    if (method === 'resources/unsubscribe') return !this.#end(share, uri);
    this.#byUri.set(uri, (this.#byUri.get(uri) ?? new Set()).add(share));
    return false;
  }

  /** A session has gone. Returns what nobody is subscribed to any more. */
  remove(share: Share): string[] {
    const uris = [...this.#byUri].filter(([, shares]) => shares.has(share)).map(([uri]) => uri);
    return uris.filter((uri) => this.#end(share, uri));
  }

  /** Whether a message is for this session. An update of what nobody named may be of a part of it: it goes to all who have subscribed. */
  concerns(share: Share, message: Message): boolean {
    if (message.kind !== 'notification' || message.method !== 'notifications/resources/updated') return true;
    const uri = message.params === undefined ? undefined : own(message.params, 'uri');
    const named = typeof uri === 'string' ? this.#byUri.get(uri) : undefined;
    if (named !== undefined) return named.has(share);
    return [...this.#byUri.values()].some((shares) => shares.has(share));
  }

  /** The server has forgotten everything. */
  clear(): void {
    this.#byUri.clear();
  }

  /** False: others are still subscribed. */
  #end(share: Share, uri: string): boolean {
    const shares = this.#byUri.get(uri);
    shares?.delete(share);
    if (shares !== undefined && shares.size > 0) return false;
    this.#byUri.delete(uri);
    return true;
  }
}

/** From the text, which is what the server sees: the parameters beside it are the client's own, and may hold an alias. */
function uriOf(request: RequestMessage): unknown {
  const sent = parseMessage(request.text, MAX_DEPTH);
  return sent.kind === 'request' && sent.params !== undefined ? own(sent.params, 'uri') : undefined;
}
