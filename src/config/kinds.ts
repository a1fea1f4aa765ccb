import { createSecretKey, type KeyObject } from 'node:crypto';
import { BlockList, isIP } from 'node:net';
import { availableParallelism, homedir } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type AllowedNetworks, readAllowedNetworks } from '../networks/allowed.ts';
import { type IssuerSettings, isIssuerUrl, readIssuers } from './issuers.ts';
import { type LimitSource, type PolicySource, readLimitSource, readPolicySource } from './rule-sources.ts';

/** A kind of value: how its text is read, and what people are told it accepts. */
export interface Kind<T> {
  readonly accepts: string;
  readonly schema: z.ZodType<T, string>;
}

/** Timers of the runtime count milliseconds in 32 bits; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

const KEY_BYTES = 32;

function kind<T>(accepts: string, parse: (text: string) => T | undefined): Kind<T> {
  const schema = z.string().transform((text, context) => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${accepts}` });
    return z.NEVER;
  });
  return { accepts, schema };
}

/** A kind that says what is wrong with a text. */
function explained<T extends object>(
  accepts: string,
  read: (text: string) => T | { readonly problem: string },
): Kind<T> {
  const schema = z.string().transform((text, context) => {
    const value = read(text);
    if (!('problem' in value)) return value;
    context.addIssue({ code: 'custom', message: `expected ${accepts} (${value.problem})` });
    return z.NEVER;
  });
  return { accepts, schema };
}

/** A whole number within both bounds, in decimal digits. */
export function integer(min: number, max: number, unit = ''): Kind<number> {
  return kind(`a whole number${unit} from ${min} to ${max}`, (text) => {
    if (!/^\d{1,15}$/.test(text)) return undefined;
    const value = Number(text);
    return value >= min && value <= max ? value : undefined;
  });
}

const MOST_WORKERS = 64;

/** A number of processes; `auto`: as many as there are processors for them. */
export const workers = kind(`auto, or a whole number from 1 to ${MOST_WORKERS}`, (text) => {
  if (text === 'auto') return Math.min(availableParallelism(), MOST_WORKERS);
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  return count >= 1 && count <= MOST_WORKERS ? count : undefined;
});

export const milliseconds = integer(1, LONGEST_TIMER_MS, ' of milliseconds');

export const ratio = kind('a number from 0 to 1', (text) => {
  const value = /^(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  return value <= 1 ? value : undefined;
});

/** Milliseconds to wait, where none at all is a choice. */
export const delay = integer(0, LONGEST_TIMER_MS, ' of milliseconds');

export const port = kind('a port from 0 to 65535 (0: any free one)', (text) => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return value <= 65_535 ? value : undefined;
});

export function oneOf<const T extends string>(...choices: readonly T[]): Kind<T> {
  return kind(`one of ${choices.join(', ')}`, (text) => choices.find((choice) => choice === text));
}

export const flag = kind('on or off (true or false)', (text) => {
  if (text === 'on' || text === 'true') return true;
  return text === 'off' || text === 'false' ? false : undefined;
});

/** Letters, digits, `.`, `_` and `-`: safe as a file's name, a channel's name and a label. */
export const plainName = kind(
  'at most 128 letters, digits, ".", "_" and "-", the first a letter or digit',
  (text) => (/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text) ? text : undefined),
);

/** A folder as an absolute path. `~` is expanded here because files and containers have no shell that would. */
export const folder = kind(
  'a path (relative to the working directory, or to the home folder with ~/)',
  (text) => {
    if (text.includes('\0')) return undefined;
    if (text !== '~' && !text.startsWith('~/')) return resolve(text);
    const home = homeFolder();
    return home === undefined ? undefined : resolve(home, text.slice(2));
  },
);

/** The user's home folder; undefined for a user that has none, as in a container with an arbitrary user id. */
function homeFolder(): string | undefined {
  try {
    return homedir() || undefined;
  } catch {
    return undefined;
  }
}

export const address = kind('an IP address or a host name, without port', hostName);

/** `host`, `host:port`, `[v6]:port`: as text, an IPv6 address in brackets. */
export const reachableAddress = kind(
  'an IP address or a host name, with a port or without; an IPv6 address with a port in brackets',
  (text) => {
    const [, host = text, digits] = /^(\[[^\]]*\]|[^:]*):(\d{1,5})$/.exec(text) ?? [];
    const name = hostName(host);
    if (name === undefined || (digits !== undefined && (Number(digits) === 0 || Number(digits) > 65_535)))
      return undefined;
    return `${isIP(name) === 6 ? `[${name}]` : name}${digits === undefined ? '' : `:${Number(digits)}`}`;
  },
);

function hostName(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (isIP(bare) !== 0) return bare.toLowerCase();
  const label = '[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?';
  return new RegExp(`^${label}(\\.${label})*$`).test(bare) && !/^[\d.]+$/.test(bare)
    ? bare.toLowerCase()
    : undefined;
}

function list<T>(accepts: string, parseEntry: (entry: string) => T | undefined): Kind<readonly T[]> {
  return kind(accepts, (text) => {
    const values: T[] = [];
    for (const entry of text.split(',')) {
      if (entry.trim() === '') continue;
      const value = parseEntry(entry.trim());
      if (value === undefined) return undefined;
      values.push(value);
    }
    return Object.freeze(values);
  });
}

export const hostNames = list(
  'a comma-separated list of host names or IP addresses, without ports',
  hostName,
);

export const origins = list(
  'a comma-separated list of origins such as https://app.example.com, without path; "*" is not one',
  (entry) => {
    if (!/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s*]+$/i.test(entry) || !URL.canParse(entry)) return undefined;
    const { origin } = new URL(entry);
    // Schemes of editors and browser extensions have an opaque origin; those are compared as written.
    return origin === 'null' ? entry : origin;
  },
);

/** Keys are KeyObjects so that no log, JSON or inspection of the configuration can show their bytes. */
export const keyList = list<KeyObject>(
  `a comma-separated list of keys, each ${KEY_BYTES} bytes in base64 (openssl rand -base64 ${KEY_BYTES})`,
  (entry) => {
    const bytes = Buffer.from(entry, 'base64');
    const canonical = entry.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '');
    if (bytes.length !== KEY_BYTES || bytes.toString('base64').replace(/=+$/, '') !== canonical)
      return undefined;
    return createSecretKey(bytes);
  },
);

export const postgresUrl = kind('a URL such as postgres://user:password@host:5432/database', (text) => {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text) ? text : undefined;
});

/** Its form only; what it means is for whoever connects. */
export const redisUrl = kind('a URL such as redis://user:password@host:6379/0', (text) =>
  /^rediss?(\+sentinel|\+cluster)?:\/\/[^/]/.test(text) ? text : undefined,
);

export const keyPrefix = kind('1 to 64 letters, digits, `-`, `_`, `.` and `:`', (text) =>
  /^[A-Za-z0-9._:-]{1,64}$/.test(text) ? text : undefined,
);

const AUTH_WAYS = ['api-key', 'jwt', 'proxy'] as const;
export type AuthWay = (typeof AUTH_WAYS)[number];

/** No way at all is what `none` stands for. */
export const authWays: Kind<readonly AuthWay[]> = kind(
  `none, or a comma-separated list of ${AUTH_WAYS.join(', ')}`,
  (text) => {
    if (text === 'none') return Object.freeze([]);
    const ways = text.split(',').map((entry) => AUTH_WAYS.find((way) => way === entry.trim()));
    const known = ways.filter((way) => way !== undefined);
    return known.length === ways.length ? Object.freeze([...new Set(known)]) : undefined;
  },
);

/** Without a slash at its end, so that paths can be put behind it. */
export const publicUrl = kind('an https:// or http:// URL, without query and fragment', (text) => {
  if (!/^https?:\/\/[^/?#\s@]+[^?#\s]*$/.test(text) || !URL.canParse(text)) return undefined;
  return new URL(text).href.replace(/\/+$/, '');
});

/** As a KeyObject, for the same reason as those of {@link keyList}. */
export const bearerKey = kind(
  'at least 32 letters, digits, "-", "_", ".", "~", "+" and "/" (openssl rand -hex 32)',
  (text) => (/^[\w.~+/-]{32,512}=*$/.test(text) ? createSecretKey(Buffer.from(text, 'latin1')) : undefined),
);

export const issuerUrls = list(
  'a comma-separated list of URLs of issuers: https://, or http:// on this machine, without query and fragment',
  (entry) => (isIssuerUrl(entry) ? entry : undefined),
);

export const issuers = explained<readonly IssuerSettings[]>(
  'URLs of issuers, separated by commas, or a JSON list of objects with at least an `issuer`',
  readIssuers,
);

export const policy = explained<PolicySource>(
  'a JSON object with a list of `rules`, or the path of a file with one',
  readPolicySource,
);

export const limits = explained<LimitSource>(
  'a JSON object with a list of `rules`, or the path of a file with one',
  readLimitSource,
);

/** Addresses as they were written, and what looks others up among them. */
export interface AddressList {
  readonly texts: readonly string[];
  readonly list: BlockList;
}

export const addresses: Kind<AddressList> = kind(
  'a comma-separated list of IP addresses and of ranges such as 10.0.0.0/8',
  (text) => {
    const list = new BlockList();
    const texts = text.split(',').map((entry) => entry.trim());
    for (const entry of texts) {
      const [, address = entry, digits] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
      const family = isIP(address);
      if (family === 0) return undefined;
      const type = family === 4 ? 'ipv4' : 'ipv6';
      if (digits === undefined) list.addAddress(address, type);
      else if (Number(digits) <= (family === 4 ? 32 : 128)) list.addSubnet(address, Number(digits), type);
      else return undefined;
    }
    return { texts, list };
  },
);

export const networks: Kind<AllowedNetworks> = kind(
  'a comma-separated list of IP addresses, ranges such as 10.0.0.0/8, host names, and the words `loopback`, `private`, `any`',
  readAllowedNetworks,
);

/** The name of a header, in lower case. */
export const headerName = kind("a header's name", (text) =>
  /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/.test(text) ? text.toLowerCase() : undefined,
);

export const plainList = list('a comma-separated list', (entry) => entry);
