import type { DownstreamServer } from './port.ts';

/** What a log-in to a server has brought, as requests carry it: the same object until it changes. */
export interface AccessToken {
  /** Name and value of the `authorization` header. */
  readonly header: readonly [name: string, value: string];
  readonly version: number;
}

/** How a server refused a request. */
export interface Refusal {
  /** 401, or 403 for a token that may not do this. */
  readonly status: number;
  readonly wwwAuthenticate: string | undefined;
  /** What the request carried. */
  readonly used: AccessToken | undefined;
  /** It was sent once more already. */
  readonly isSecondTry: boolean;
}

/** Log-ins to servers, as connections use them. */
export interface Credentials {
  /**
   * What requests to a server carry; undefined where nobody has logged in. A promise where that is not known yet, or has to
   * be renewed first: rejects with {@link LoginRequired}, or DownstreamUnavailable where it could not be renewed now.
   */
  of(server: DownstreamServer): AccessToken | undefined | Promise<AccessToken | undefined>;
  /**
   * A server has refused a request, which has had no effect. Resolves with what to send it with once more; with undefined
   * where no log-in would help. Rejects as {@link of} does.
   */
  refused(server: DownstreamServer, refusal: Refusal): Promise<AccessToken | undefined>;
}
