import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import type { Authenticate } from '../auth/authenticator.ts';
import type { Owner } from '../auth/principal.ts';
import type { BrowserLogins, Departure, OpenedInvitation } from '../oauth/browser-logins.ts';
import { CALLBACK_PATH, CLIENT_PATH, clientDocument, type GatewayClient } from '../oauth/client-identity.ts';
import { LOGIN_PATH } from '../oauth/invitations.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { wireError } from './error-response.ts';
import type { Guard } from './guard.ts';
import { confirmPage, failurePage, PAGE_HEADERS, successPage } from './oauth-pages.ts';

type Bindings = { Bindings: HttpBindings };

export interface OAuthAppOptions {
  readonly logins: BrowserLogins;
  readonly gateway: () => GatewayClient;
  readonly guard: Guard;
  /** Callers of the gateway have to show who they are. */
  readonly hasUsers: boolean;
  /**
   * Who a browser is, where something in front knows; undefined where nothing does. `isAlone`: nobody comes by another way.
   */
  readonly proxy: { readonly authenticate: Authenticate; readonly isAlone: boolean } | undefined;
  readonly logger: Logger;
}

/** Proves that the form was sent from the page. */
const PROOF_COOKIE = 'dragon_login_proof';

const COOKIE_SECONDS = 600;

/** Longer than anything that an authorization server has to say. */
const MAX_QUERY = 16 * 1024;
const MAX_FORM_BYTES = 4096;

/** Where people log in to servers: the pages that a browser sees, and the way back from authorization servers. */
export function createOAuthApp(options: OAuthAppOptions): Hono<Bindings> {
  const { logins, gateway, guard, hasUsers } = options;
  const app = new Hono<Bindings>();

  app.use('*', async (context, next) => {
    const refusal = guard(context.req.header('host'), undefined);
    return refusal === undefined
      ? await next()
      : answer(context, failurePage(refusal.message), refusal.status);
  });

  app.get(`${LOGIN_PATH}/:ticket`, (context) =>
    answering(context, options.logger, async () => {
      const ticket = context.req.param('ticket');
      const invited = await logins.opened(ticket);
      await checkPerson(context, options, invited);
      if (!hasUsers) return depart(context, gateway(), await logins.begin(ticket));
      const proof = randomBytes(32).toString('base64url');
      remember(context, gateway(), PROOF_COOKIE, proof);
      const { tenantId, userId } = invited.owner;
      return answer(context, confirmPage({ ...invited, tenantId, userId, proof }), 200);
    }),
  );

  app.post(`${LOGIN_PATH}/:ticket`, (context) =>
    answering(context, options.logger, async () => {
      const ticket = context.req.param('ticket');
      await checkForm(context);
      await checkPerson(context, options, await logins.opened(ticket));
      return depart(context, gateway(), await logins.begin(ticket));
    }),
  );

  app.get(CALLBACK_PATH, (context) =>
    answering(context, options.logger, async () => {
      const { search, searchParams } = new URL(context.req.url);
      if (search.length > MAX_QUERY) throw new GatewayError(Code.InvalidRequest, 'This address is too long.');
      const done = await logins.complete(searchParams, (name) => getCookie(context, name));
      return 'again' in done
        ? depart(context, gateway(), done.again)
        : answer(context, successPage(done.serverName), 200);
    }),
  );

  app.get(CLIENT_PATH, (context) => {
    const document = clientDocument(gateway());
    return document === undefined
      ? context.json({ error: 'Not found' }, 404)
      : context.json(document, 200, { 'cache-control': 'max-age=3600' });
  });

  return app;
}

/** Throws Forbidden where something in front says that this is somebody else, or nobody. */
async function checkPerson(
  context: Context<Bindings>,
  { proxy }: OAuthAppOptions,
  { owner }: OpenedInvitation,
): Promise<void> {
  if (proxy === undefined) return;
  const { incoming } = context.env;
  let person: Owner;
  try {
    person = await proxy.authenticate({
      headers: incoming.headers,
      remoteAddress: incoming.socket.remoteAddress,
    });
  } catch (error) {
    const isUnknown = error instanceof GatewayError && error.code === Code.Unauthenticated;
    if (isUnknown && !proxy.isAlone) return;
    throw error;
  }
  if (person.tenantId !== owner.tenantId || person.userId !== owner.userId)
    throw new GatewayError(Code.Forbidden, 'This log-in is for another user.');
}

/** Another site can have a browser send a form here, and can know neither the cookie nor what the page said. */
async function checkForm(context: Context<Bindings>): Promise<void> {
  const site = context.req.header('sec-fetch-site');
  const length = Number(context.req.header('content-length') ?? Number.NaN);
  const body = length <= MAX_FORM_BYTES ? await textOf(context) : '';
  const given = Buffer.from(new URLSearchParams(body).get('proof') ?? '');
  const expected = Buffer.from(getCookie(context, PROOF_COOKIE) ?? '');
  const isProven =
    expected.length > 0 && given.length === expected.length && timingSafeEqual(given, expected);
  if (!isProven || (site !== undefined && site !== 'same-origin'))
    throw new GatewayError(Code.Forbidden, 'This form was not sent from its page: open the link again.');
}

function depart(context: Context<Bindings>, gateway: GatewayClient, { url, cookie }: Departure): Response {
  remember(context, gateway, cookie.name, cookie.value);
  for (const [name, value] of Object.entries(PAGE_HEADERS))
    if (name !== 'content-type') context.header(name, value);
  return context.redirect(url, 303);
}

/** For the way to the authorization server and back, which is one between sites. */
function remember(
  context: Context<Bindings>,
  { publicUrl }: GatewayClient,
  name: string,
  value: string,
): void {
  const { pathname, protocol } = new URL(publicUrl);
  setCookie(context, name, value, {
    path: `${pathname.replace(/\/$/, '')}/oauth`,
    httpOnly: true,
    sameSite: 'Lax',
    secure: protocol === 'https:',
    maxAge: COOKIE_SECONDS,
  });
}

/** Throws Cancelled where the browser goes away meanwhile. */
async function textOf(context: Context<Bindings>): Promise<string> {
  try {
    return await context.req.text();
  } catch (cause) {
    throw new GatewayError(Code.Cancelled, 'The browser has gone away', { cause });
  }
}

/** What goes wrong is told on a page, as far as it is for people. */
async function answering(
  context: Context<Bindings>,
  logger: Logger,
  serve: () => Promise<Response>,
): Promise<Response> {
  try {
    return await serve();
  } catch (thrown) {
    const error = GatewayError.from(thrown);
    if (error.code === Code.Internal) logger.error('a log-in failed inside the gateway', { err: thrown });
    else logger.info('a log-in did not work', { reason: error.message });
    return answer(context, failurePage(error.message), wireError(error).status);
  }
}

function answer(context: Context<Bindings>, page: string, status: number): Response {
  return context.body(page, status as 200, { ...PAGE_HEADERS });
}
