import type { Invitation, PendingLogin } from '../db/oauth-record.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { idInUse } from '../downstream/port.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { lenderOf } from './grant-digest.ts';
import { newTicket } from './invitations.ts';
import { loginClient } from './login-client.ts';
import { noteLogin } from './login-events.ts';
import { challengeOf, discoverLogin, loginTarget } from './login-target.ts';
import type { LoginsOptions } from './logins.ts';
import { scopesFor } from './scopes.ts';
import { hashOf, isSameSecret } from './secret-hash.ts';

/** Who is invited to log in where. */
export interface OpenedInvitation extends Invitation {
  readonly serverName: string;
  readonly serverHost: string;
}

/** A browser's way to the authorization server, and what it has to bring back. */
export interface Departure {
  readonly url: string;
  readonly cookie: { readonly name: string; readonly value: string };
}

/** What has come of a log-in: done, or to be begun anew at this address. */
export type Completion = { readonly serverName: string } | { readonly again: Departure };

const OVER = 'This log-in is over: it was used already, or took too long. Begin it again.';

/** The way of a log-in through a browser, from an invitation to the tokens. */
export class BrowserLogins {
  readonly #options: LoginsOptions;

  constructor(options: LoginsOptions) {
    this.#options = options;
  }

  /** Whom an invitation is for. Throws NotFound where it is over, or never was. */
  async opened(ticket: string): Promise<OpenedInvitation> {
    const invited = await this.#options.logins.invitation(hashOf(ticket));
    if (invited === undefined) throw new GatewayError(Code.NotFound, OVER);
    const record = await this.#options.servers.used(invited.owner, invited.serverId);
    return { ...invited, serverName: record.name, serverHost: new URL(loginTarget(record).url).host };
  }

  /**
   * Sends a browser that has opened an invitation on its way. Throws NotFound, and FailedPrecondition where the server has no
   * log-in, or none that may be used.
   */
  async begin(ticket: string, isSecondTry = false): Promise<Departure> {
    const { logins, servers, fetch } = this.#options;
    const ticketHash = hashOf(ticket);
    const invited = await logins.invitation(ticketHash);
    if (invited === undefined) throw new GatewayError(Code.NotFound, OVER);
    const record = await servers.used(invited.owner, invited.serverId);
    const target = loginTarget(record);
    const challenge = await challengeOf(record, target, logins, fetch);
    const found = await discoverLogin(target.url, challenge, fetch);
    const scopes = scopesFor(challenge, found, invited.scopes);
    const { client, isFixed } = await loginClient(record, found.server, this.#options);
    const { authorizationUrl, randomSecret } = await import('./wire.ts');
    const { issuer, token_endpoint: tokenEndpoint, revocation_endpoint: revocationEndpoint } = found.server;
    const login: PendingLogin = {
      url: target.url,
      resource: found.resource,
      server: {
        issuer,
        tokenEndpoint,
        ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
        issParameterSupported: found.server.authorization_response_iss_parameter_supported === true,
      },
      client,
      isFixedClient: isFixed,
      verifier: randomSecret(),
      browser: randomSecret(),
      scopes,
      isSecondTry,
    };
    const state = randomSecret();
    await logins.begin(ticketHash, hashOf(state), login);
    return {
      url: await authorizationUrl(found.server, login, state),
      cookie: { name: cookieNameOf(state), value: login.browser },
    };
  }

  /**
   * Takes what a browser brings back, once. `cookie`: reads a cookie of the browser's. Throws a GatewayError whose message is for
   * the person.
   */
  async complete(params: URLSearchParams, cookie: (name: string) => string | undefined): Promise<Completion> {
    const { logins, changes, servers, events } = this.#options;
    const state = params.get('state') ?? '';
    const taken = state === '' ? undefined : await logins.take(hashOf(state));
    if (taken === undefined) throw new GatewayError(Code.NotFound, OVER);
    const { owner, serverId, login } = taken;
    const record = await servers.used(owner, serverId);
    // The invitation has gone with it.
    changes.tell(idInUse(record));
    try {
      const done = await this.#redeem(record, login, params, state, cookie);
      if ('serverName' in done) noteLogin(events, record, 'logged_in', 'ok');
      return done;
    } catch (error) {
      const isDenied = error instanceof GatewayError && error.code === Code.Forbidden;
      noteLogin(events, record, 'logged_in', isDenied ? 'denied' : 'error');
      throw error;
    }
  }

  async #redeem(
    record: ServerRecord,
    login: PendingLogin,
    params: URLSearchParams,
    state: string,
    cookie: (name: string) => string | undefined,
  ): Promise<Completion> {
    const { logins, changes, servers, fetch, logger } = this.#options;
    const { owner, id: serverId } = record;
    if (!isSameSecret(cookie(cookieNameOf(state)) ?? '', login.browser))
      throw new GatewayError(Code.Forbidden, 'This log-in was begun in another browser.');
    if (loginTarget(record).url !== login.url)
      throw new GatewayError(
        Code.FailedPrecondition,
        'The server has changed meanwhile: begin the log-in again.',
      );
    const { exchangeCode, OAuthRefusal } = await import('./wire.ts');
    try {
      const grant = await exchangeCode(login, params, state, fetch);
      const { issParameterSupported: _, ...server } = login.server;
      const { url, resource, client } = login;
      await logins.save(owner, serverId, { url, resource, server, client, ...grant });
    } catch (error) {
      if (!(error instanceof OAuthRefusal)) throw error;
      if (error.error === 'access_denied')
        throw new GatewayError(Code.Forbidden, 'The log-in was refused, and nothing has changed.');
      if (error.error !== 'invalid_client' || login.isFixedClient || login.isSecondTry) throw error;
      logger.info('an authorization server does not know the gateway any more', { server: record.name });
      await logins.forgetClient(lenderOf(record), serverId, login.server.issuer);
      const ticket = await newTicket(logins, { owner, serverId, scopes: login.scopes });
      return { again: await this.begin(ticket, true) };
    }
    changes.tell(idInUse(record));
    await servers.touch(record);
    logger.info('a server was logged in to', { server: record.name });
    return { serverName: record.name };
  }
}

/** Of its own for each log-in: several may be under way in one browser. */
function cookieNameOf(state: string): string {
  return `dragon_login_${hashOf(state).slice(0, 16)}`;
}
