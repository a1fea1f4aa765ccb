import { memoized } from './memo.ts';

/** A refusal: what to answer in place of the service. */
export interface Refusal {
  readonly status: 400 | 403;
  readonly message: string;
}

export interface GuardOptions {
  /** The address that is listened on. */
  readonly boundHost: string;
  /** Names, or `name:port`, by which the server may be called, besides loopback ones. */
  readonly allowedHosts: readonly string[];
  /** Origins such as `https://console.example.com` of pages that may call, besides loopback ones. */
  readonly allowedOrigins: readonly string[];
}

export type Guard = (authority: string | undefined, origin: string | undefined) => Refusal | undefined;

/**
 * Keeps browsers from lending a foreign page the reach of the machine they run on. A page of a foreign origin is
 * refused; and on loopback so is a foreign host name, since a name of the attacker's can be made to resolve to
 * 127.0.0.1 (DNS rebinding). A gateway that listens on the network is called by whatever names its operator gives it,
 * so there hosts are checked only where they are configured.
 */
export function createGuard(options: GuardOptions): Guard {
  const allowedHosts = new Set(options.allowedHosts.map((host) => host.toLowerCase()));
  const allowedOrigins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
  const checksHost = isLoopback(bracketed(options.boundHost)) || allowedHosts.size > 0;

  const ofHost = memoized((authority): Refusal | undefined => {
    const host = parseAuthority(authority);
    if (host === undefined) return NO_HOST;
    if (!checksHost || isAllowedHost(host, allowedHosts)) return undefined;
    return { status: 403, message: 'This host name is not allowed' };
  });
  const ofOrigin = memoized((origin): Refusal | undefined =>
    isAllowedOrigin(origin, allowedOrigins)
      ? undefined
      : { status: 403, message: 'This origin is not allowed' },
  );

  return (authority, origin) => {
    if (authority === undefined) return NO_HOST;
    return ofHost(authority) ?? (origin === undefined ? undefined : ofOrigin(origin));
  };
}

const NO_HOST: Refusal = { status: 400, message: 'The Host header is missing or malformed' };

function isAllowedHost(host: URL, allowed: ReadonlySet<string>): boolean {
  return isLoopback(host.hostname) || allowed.has(host.hostname) || allowed.has(host.host);
}

function isAllowedOrigin(origin: string, allowed: ReadonlySet<string>): boolean {
  if (allowed.has(origin.toLowerCase())) return true;
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  return (protocol === 'http:' || protocol === 'https:') && isLoopback(hostname);
}

function parseAuthority(authority: string): URL | undefined {
  if (!/^[^\s/?#@\\]+$/.test(authority)) return undefined;
  const url = `http://${authority}`;
  return URL.canParse(url) ? new URL(url) : undefined;
}

/** Takes the host as URL has it: lower case, IPv4 as four numbers, IPv6 in brackets. */
export function isLoopback(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    /^\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\]$/.test(name)
  );
}

function bracketed(address: string): string {
  return address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
}
