import type { Mutant } from './mutant.ts';

const BEGINNERS = "a log-in is its beginner's";
const ISSUER = 'tokens are asked of the authorization server that was meant, for the server that is meant';
const PAGES = 'the pages of log-ins lead nowhere, and show nothing as it came';
const RENEWAL = 'a renewal happens once, and one that fails sends nothing without credentials';

const attacks = 'test/security/oauth-attacks.test.ts';
const renewal = 'test/security/oauth-renewal.test.ts';
const contract = 'test/contract/db-logins.test.ts';
const discovery = 'src/oauth/discovery.test.ts';

/** Log-ins to servers. */
export const LOGINS: readonly Mutant[] = [
  {
    promise: BEGINNERS,
    name: 'state counts as often as it comes',
    file: 'src/db/login-repository.ts',
    find: `        .delete(oauthLogins)
        .where(and(eq(oauthLogins.stateHash, stateHash), gt(oauthLogins.createdAt, oldest())))
        .returning(),`,
    replace: `        .select()
        .from(oauthLogins)
        .where(and(eq(oauthLogins.stateHash, stateHash), gt(oauthLogins.createdAt, oldest()))),`,
    test: attacks,
    only: 'counts once',
  },
  {
    promise: BEGINNERS,
    name: 'state counts for ever',
    file: 'src/db/login-repository.ts',
    find: 'and(eq(oauthLogins.stateHash, stateHash), gt(oauthLogins.createdAt, oldest()))',
    replace: 'eq(oauthLogins.stateHash, stateHash)',
    test: contract,
    only: 'in PostgreSQL counts for as long as it may',
  },
  {
    promise: BEGINNERS,
    name: 'an invitation counts for ever',
    file: 'src/db/login-repository.ts',
    find: 'and(eq(oauthLogins.ticketHash, ticketHash), isFresh)',
    replace: 'eq(oauthLogins.ticketHash, ticketHash)',
    test: contract,
    only: 'in PostgreSQL counts for as long as it may',
  },
  {
    promise: BEGINNERS,
    name: 'any browser may end a log-in',
    file: 'src/oauth/logins.ts',
    find: "!isSame(cookie(cookieNameOf(state)) ?? '', login.browser)",
    replace: "login.browser === ''",
    test: attacks,
    only: 'counts in the browser that began it alone',
  },
  {
    promise: BEGINNERS,
    name: 'a link is for any user of the tenant',
    file: 'src/edge/oauth-app.ts',
    find: 'person.tenantId !== owner.tenantId || person.userId !== owner.userId',
    replace: 'person.tenantId !== owner.tenantId',
    test: attacks,
    only: 'is for the user whom the proxy in front knows',
  },
  {
    promise: BEGINNERS,
    name: 'any page may send the form',
    file: 'src/edge/oauth-app.ts',
    find: "!isProven || (site !== undefined && site !== 'same-origin')",
    replace: "site !== undefined && site !== 'same-origin'",
    test: attacks,
    only: 'names the user, and goes on from its own page alone',
  },
  {
    promise: BEGINNERS,
    name: 'a proof of the right length will do',
    file: 'src/edge/oauth-app.ts',
    find: ' && timingSafeEqual(given, expected)',
    replace: '',
    test: attacks,
    only: 'names the user, and goes on from its own page alone',
  },
  {
    promise: BEGINNERS,
    name: 'any site may send the form',
    file: 'src/edge/oauth-app.ts',
    find: "(site !== undefined && site !== 'same-origin')",
    replace: "site === ''",
    test: attacks,
    only: 'names the user, and goes on from its own page alone',
  },
  {
    promise: ISSUER,
    name: 'a token may end its header',
    file: 'src/oauth/wire.ts',
    find: String.raw`if (!/^[\x21-\x7e]+$/.test(accessToken))`,
    replace: "if (accessToken === '')",
    test: attacks,
    only: 'is exchanged for no token that would end its header',
  },
  {
    promise: ISSUER,
    name: 'iss is not looked at',
    file: 'src/oauth/wire.ts',
    find: 'oauth.validateAuthResponse(as, clientOf(client), params, state)',
    replace: `oauth.validateAuthResponse(
      { ...as, authorization_response_iss_parameter_supported: false },
      clientOf(client),
      new URLSearchParams([...params].filter(([name]) => name !== 'iss')),
      state,
    )`,
    test: attacks,
    only: 'has to be of the issuer that was asked',
  },
  {
    promise: ISSUER,
    name: 'a log-in goes on without PKCE',
    file: 'src/oauth/logins.ts',
    find: "!chosen.server.code_challenge_methods_supported?.includes('S256')",
    replace: "chosen.server.issuer === ''",
    test: attacks,
    only: 'has to protect log-ins with PKCE',
  },
  {
    promise: ISSUER,
    name: 'the metadata of another server is taken',
    file: 'src/oauth/discovery.ts',
    find: "typeof resource !== 'string' || !covers(resource, serverUrl)",
    replace: "typeof resource !== 'string'",
    test: discovery,
    only: 'metadata that is for somebody else',
  },
  {
    promise: ISSUER,
    name: 'the metadata of another authorization server is taken',
    file: 'src/oauth/discovery.ts',
    find: "typeof named !== 'string' || !isSame",
    replace: "typeof named !== 'string'",
    test: discovery,
    only: 'metadata that is for somebody else',
  },
  {
    promise: ISSUER,
    name: 'an authorization server that is an origin may be any other',
    file: 'src/oauth/discovery.ts',
    find: 'bare(named) === bare(issuer) && isOrigin(issuer)',
    replace: 'isOrigin(issuer)',
    test: discovery,
    only: 'an issuer that is an origin',
  },
  {
    promise: ISSUER,
    name: "a client's secret goes to whatever authorization server its row names",
    file: 'src/db/login-repository.ts',
    find: 'return client?.issuer === issuer ? client : undefined;',
    replace: 'return client;',
    test: contract,
    only: 'in PostgreSQL counts for as long as it may',
  },
  {
    promise: ISSUER,
    name: 'a token is sent wherever its server is said to be since',
    file: 'src/oauth/server-tokens.ts',
    find: 'return record?.tokens?.url === urlOf(server) ? token : undefined;',
    replace: 'return token;',
    test: attacks,
    only: 'is sent to no other address',
  },
  {
    promise: PAGES,
    name: 'the callback is an open redirect',
    file: 'src/edge/oauth-app.ts',
    find: 'const { search, searchParams } = new URL(context.req.url);',
    replace: `const { search, searchParams } = new URL(context.req.url);
      const to = searchParams.get('redirect_uri');
      if (to !== null) return context.redirect(to);`,
    test: attacks,
    only: 'is shown to nobody as it came, and leads nowhere',
  },
  {
    promise: PAGES,
    name: 'pages are shown under any name',
    file: 'src/edge/oauth-app.ts',
    find: "const refusal = guard(context.req.header('host'), undefined);",
    replace: 'const refusal = undefined as ReturnType<typeof guard>;',
    test: attacks,
    only: 'is shown to nobody as it came, and leads nowhere',
  },
  {
    promise: PAGES,
    name: 'text is shown as markup',
    file: 'src/edge/oauth-pages.ts',
    find: `return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');`,
    replace: 'return text;',
    test: 'src/edge/oauth-pages.test.ts',
  },
  {
    promise: RENEWAL,
    name: 'two nodes renew at once',
    file: 'src/db/login-repository.ts',
    find: 'and(eq(oauthTokens.version, version), isFree)',
    replace: 'eq(oauthTokens.version, version)',
    test: contract,
    only: 'in embedded PostgreSQL lets one renew a version',
  },
  {
    promise: RENEWAL,
    name: 'whoever had logged in is nobody in silence',
    file: 'src/oauth/server-tokens.ts',
    find: 'if (isOver(server, known)) throw',
    replace: "if (server.name === '') throw",
    test: renewal,
    only: 'that can not be renewed sends nothing, and says so',
  },
];
