import { Code, GatewayError } from '../../protocol/errors.ts';

interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Files are named by their paths. */
export interface RedisTls {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Undefined: the host. */
  readonly serverName: string | undefined;
  /** False: any certificate will do. */
  readonly verify: boolean;
}

export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** Of the server, of sentinels, or of some nodes of the cluster. At least one. */
  readonly addresses: readonly [RedisAddress, ...RedisAddress[]];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly tls: RedisTls | undefined;
  /** What the sentinels call the master. Only with `sentinel`. */
  readonly master: string;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
}

const SHAPE = /^(rediss?)(\+sentinel|\+cluster)?:\/\/(?:([^/@]*)@)?([^/?#@]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/;
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/;

const PARAMETERS = [
  'db',
  'tls_ca',
  'tls_cert',
  'tls_key',
  'tls_servername',
  'tls_verify',
  'sentinel_username',
  'sentinel_password',
] as const;

type Parameter = (typeof PARAMETERS)[number];

/**
 * Reads the address of a Redis: `redis://host:port/db`, `redis+sentinel://host:port,host:port/master/db`, or
 * `redis+cluster://host:port,host:port`; with `rediss` for TLS. Throws InvalidArgument; its message shows no part of the
 * address, which may hold a password.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const shape = SHAPE.exec(url);
  if (shape === null) throw wrong('it is none of the forms redis://, redis+sentinel:// and redis+cluster://');
  const [, scheme, variant, credentials, hosts = '', path = '', query = ''] = shape;
  const kind = variant === '+sentinel' ? 'sentinel' : variant === '+cluster' ? 'cluster' : 'single';
  const addresses = parseAddresses(hosts, kind === 'sentinel' ? 26_379 : 6379);
  if (kind === 'single' && addresses.length > 1) throw wrong('redis:// names one host');
  const parameters = parseQuery(query);
  const segments = path === '' ? [] : path.split('/');
  const master = kind === 'sentinel' ? decode(segments.shift() ?? '') : '';
  if (kind === 'sentinel' && master === '') throw wrong("the master's name has to follow the sentinels");
  if (segments.length > 1) throw wrong('its path has too many parts');
  const db = parseDb(segments[0] || parameters.get('db') || '0');
  if (kind === 'cluster' && db !== 0) throw wrong('a cluster has no numbered databases');
  return {
    kind,
    addresses,
    ...parseCredentials(credentials),
    db,
    tls: parseTls(scheme === 'rediss', parameters),
    master,
    sentinelUsername: parameters.get('sentinel_username'),
    sentinelPassword: parameters.get('sentinel_password'),
  };
}

function parseAddresses(hosts: string, defaultPort: number): RedisTarget['addresses'] {
  const [first, ...rest] = hosts.split(',').map((text): RedisAddress => {
    const [, host, port] = ADDRESS.exec(text) ?? [];
    if (host === undefined) throw wrong('a host is not a name or an address');
    const number = port === undefined ? defaultPort : Number(port);
    if (number < 1 || number > 65_535) throw wrong('a port is not between 1 and 65535');
    return { host: host.replace(/^\[|\]$/g, ''), port: number };
  });
  if (first === undefined) throw wrong('it names no host');
  return [first, ...rest];
}

function parseCredentials(text: string | undefined): Pick<RedisTarget, 'username' | 'password'> {
  if (text === undefined || text === '') return { username: undefined, password: undefined };
  const colon = text.indexOf(':');
  const username = colon === -1 ? text : text.slice(0, colon);
  return {
    username: username === '' ? undefined : decode(username),
    password: colon === -1 ? undefined : decode(text.slice(colon + 1)),
  };
}

function parseQuery(query: string): Map<Parameter, string> {
  const known = new Map<Parameter, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const parameter = PARAMETERS.find((candidate) => candidate === name);
    if (parameter === undefined) throw wrong(`its parameters are ${PARAMETERS.join(', ')}`);
    known.set(parameter, value);
  }
  return known;
}

function parseDb(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw wrong('the database is not a number');
  return Number(text);
}

function parseTls(wanted: boolean, parameters: Map<Parameter, string>): RedisTls | undefined {
  if (!wanted) {
    if ([...parameters.keys()].some((name) => name.startsWith('tls_'))) throw wrong('tls_ needs rediss://');
    return undefined;
  }
  const verify = parameters.get('tls_verify') ?? 'true';
  if (verify !== 'true' && verify !== 'false') throw wrong('tls_verify is true or false');
  return {
    ca: parameters.get('tls_ca'),
    cert: parameters.get('tls_cert'),
    key: parameters.get('tls_key'),
    serverName: parameters.get('tls_servername'),
    verify: verify === 'true',
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('it has a % that does not encode anything');
  }
}

function wrong(reason: string): GatewayError {
  return new GatewayError(Code.InvalidArgument, `The address of Redis (REDIS_URL) is not valid: ${reason}`);
}
