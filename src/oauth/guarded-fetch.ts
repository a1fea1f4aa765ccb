import type { Agent } from 'undici';
import type { NetworkGuard } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

export interface GuardedFetchOptions {
  /** Where addresses may lead that servers name. */
  readonly networks: NetworkGuard;
  /** For one request, from connecting to the end of the answer, in milliseconds. */
  readonly timeoutMs: number;
}

/** A request to an address that a server or an authorization server has named. */
interface GuardedRequest {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** The answer's body is not read: it may be a stream without an end. */
  readonly isHeadOnly?: boolean;
}

/** Fetches an address that somebody else has named. Rejects with a GatewayError that says for people what went wrong. */
export type GuardedFetch = (url: string, request?: GuardedRequest) => Promise<Response>;

/** Metadata and tokens are small. */
const MAX_BYTES = 256 * 1024;

const CONNECT_TIMEOUT_MS = 5000;

/** Statuses whose answer has no body, which `Response` insists on. */
const WITHOUT_BODY: ReadonlySet<number> = new Set([101, 204, 205, 304]);

export interface GuardedFetcher {
  readonly fetch: GuardedFetch;
  close(): Promise<void>;
}

/**
 * Every request of a log-in goes this way: to where the guard allows connections, over TLS but on this machine, without
 * following redirects, bounded in size and time. What it runs on is loaded with the first request.
 */
export function createGuardedFetcher({ networks, timeoutMs }: GuardedFetchOptions): GuardedFetcher {
  let loading: Promise<Agent> | undefined;
  const agent = () => {
    loading ??= import('../downstream/tls-agent.ts').then(({ createTlsAgent }) =>
      createTlsAgent({ networks, connectTimeoutMs: CONNECT_TIMEOUT_MS }),
    );
    return loading;
  };

  return {
    async fetch(address, { method = 'GET', headers = {}, body, isHeadOnly = false } = {}) {
      const url = safeUrl(address);
      const signal = AbortSignal.timeout(timeoutMs);
      try {
        const answer = await (await agent()).request({
          origin: url.origin,
          path: url.pathname + url.search,
          method: method as 'GET',
          headers: { ...headers },
          body: body ?? null,
          signal,
        });
        // Whoever leaves is told that it has left.
        if (isHeadOnly) answer.body.on('error', () => {}).destroy();
        const chunks: Buffer[] = [];
        let bytes = 0;
        for await (const chunk of isHeadOnly ? [] : answer.body) {
          bytes += (chunk as Buffer).length;
          if (bytes > MAX_BYTES)
            throw new GatewayError(Code.DownstreamProtocol, `${url.origin} answered too much`);
          chunks.push(chunk as Buffer);
        }
        const { statusCode: status } = answer;
        const content = WITHOUT_BODY.has(status) ? null : Buffer.concat(chunks);
        return new Response(content, { status, headers: flat(answer.headers) });
      } catch (error) {
        throw readable(url, error);
      }
    },

    close: async () => {
      await (await loading)?.destroy();
    },
  };
}

/** Throws FailedPrecondition for an address that no secret may be sent to. */
export function safeUrl(address: string): URL {
  const url = URL.parse(address);
  if (url === null || url.username !== '' || url.password !== '')
    throw new GatewayError(Code.FailedPrecondition, `Not an address: ${address.slice(0, 200)}`);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isThisMachine(url.hostname))) return url;
  throw new GatewayError(
    Code.FailedPrecondition,
    `Log-ins need https://, and this address is none: ${url.origin.slice(0, 200)}`,
  );
}

export function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value ?? '']).map((one): [string, string] => [name, one]),
  );
}

function readable(url: URL, error: unknown): GatewayError {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (at instanceof GatewayError) return at;
  const isLate = error instanceof Error && error.name === 'TimeoutError';
  const problem = isLate ? 'did not answer in time' : 'cannot be reached';
  return new GatewayError(Code.DownstreamUnavailable, `${url.origin} ${problem}`, { cause: error });
}
