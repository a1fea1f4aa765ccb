import type { Mutant } from './mutant.ts';

const INSIDE = 'a URL leads nowhere inside that is not allowed';
const REBINDING = 'a name that changes leads nowhere inside';
const REDIRECT = 'redirects are not followed';

const client = 'src/downstream/http-client.test.ts';
const allowed = 'src/networks/allowed.test.ts';

/** A URL is no way in. */
export const NETWORKS: readonly Mutant[] = [
  {
    promise: INSIDE,
    name: 'servers are registered at any address',
    file: 'src/catalog/check-target.ts',
    find: 'const description = networks.refusal(parsed.hostname);',
    replace: 'const description = undefined as string | undefined;',
    test: 'test/security/networks.test.ts',
    only: 'are public where there is authentication',
  },
  {
    promise: INSIDE,
    name: 'processes are registered where they are switched off',
    file: 'src/core.ts',
    find: 'stdioOff: config.stdioAllowed ? undefined : STDIO_OFF,',
    replace: 'stdioOff: undefined,',
    test: 'test/security/networks.test.ts',
    only: 'are public where there is authentication',
  },
  {
    promise: INSIDE,
    name: 'addresses are not looked at',
    file: 'src/downstream/http-client.ts',
    find: 'this.#options.networks.check(hostname);',
    replace: '',
    test: client,
    only: '^http: no connection is made',
  },
  {
    promise: INSIDE,
    name: 'addresses are not looked at with TLS',
    file: 'src/downstream/tls-agent.ts',
    find: 'networks.check(options.hostname);',
    replace: '',
    test: client,
    only: '^https: no connection is made',
  },
  {
    promise: REBINDING,
    name: 'where a name leads is not looked at',
    file: 'src/networks/guard.ts',
    find: 'const found = refusedClass(this.#allowed, address, host);',
    replace: 'const found = undefined as AddressClass | undefined;',
    test: client,
    only: 'a name that has moved inside',
  },
  {
    promise: INSIDE,
    name: 'addresses of IPv4 in those of IPv6 are not looked at',
    file: 'src/networks/address.ts',
    find: 'return (carried && ownClass(carried)) ?? ownClass(bytes);',
    replace: 'return ownClass(bytes);',
    test: allowed,
    only: 'every form of IPv6',
  },
  {
    promise: INSIDE,
    name: 'whoever allows a network allows all of IPv4 in IPv6',
    file: 'src/networks/allowed.ts',
    find: '(carried !== undefined && startsAlike(carried, prefix, bits))',
    replace: 'carried !== undefined',
    test: allowed,
    only: 'an address is allowed by its range',
  },
  {
    promise: INSIDE,
    name: 'whoever allows a network allows what gives out credentials',
    file: 'src/networks/allowed.ts',
    find: "if (found === 'metadata' && bits < prefix.length * 8) return false;",
    replace: '',
    test: allowed,
    only: 'what gives out credentials',
  },
  {
    promise: REDIRECT,
    name: "a server's redirect is followed",
    file: 'src/downstream/http-client.ts',
    find: 'const length = body === null ? 0 : Buffer.byteLength(body);',
    replace: `if (method === 'POST') {
      const first = handler;
      handler = {
        ...first,
        onResponseStart: (controller, status, fields) => {
          const { location } = fields;
          if (status < 300 || typeof location !== 'string') first.onResponseStart?.(controller, status, fields);
          else this.dispatch(endpointOf(new URL(location, origin).href), 'GET', headers, null, first);
        },
      };
    }
    const length = body === null ? 0 : Buffer.byteLength(body);`,
    test: client,
    only: 'a redirect is an answer as others',
  },
  {
    promise: REDIRECT,
    name: "an authorization server's redirect is followed",
    file: 'src/oauth/guarded-fetch.ts',
    find: 'const content = WITHOUT_BODY.has(status) ? null : Buffer.concat(chunks);',
    replace: `const { location } = answer.headers;
        if (typeof location === 'string') return await globalThis.fetch(new URL(location, url).href);
        const content = WITHOUT_BODY.has(status) ? null : Buffer.concat(chunks);`,
    test: 'src/oauth/guarded-fetch.test.ts',
    only: 'a redirect is an answer as others',
  },
  {
    promise: INSIDE,
    name: 'log-ins go over any network without TLS',
    file: 'src/oauth/guarded-fetch.ts',
    find: "(url.protocol === 'http:' && isThisMachine(url.hostname))",
    replace: "url.protocol === 'http:'",
    test: 'src/oauth/discovery.test.ts',
    only: 'metadata that is for somebody else',
  },
  {
    promise: INSIDE,
    name: 'log-ins go to addresses with a name and a password in them',
    file: 'src/oauth/guarded-fetch.ts',
    find: "url === null || url.username !== '' || url.password !== ''",
    replace: 'url === null',
    test: 'src/oauth/discovery.test.ts',
    only: 'metadata that is for somebody else',
  },
  {
    promise: INSIDE,
    name: "a server's older transport posts wherever it is told",
    file: 'src/downstream/sse-link.ts',
    find: 'url === null || url.origin !== new URL(this.#streamUrl).origin',
    replace: 'url === null',
    test: 'src/downstream/sse-link.test.ts',
    only: 'an address of another origin',
  },
];
