import { isIP } from 'node:net';
import type { networkInterfaces } from 'node:os';

interface Where {
  /** What was configured, `host` or `host:port`; goes before all else. */
  readonly advertised: string | undefined;
  /** What is listened on. */
  readonly host: string;
  readonly port: number;
  readonly interfaces: ReturnType<typeof networkInterfaces>;
}

/** Where other machines reach a port of this node, `host:port`. */
export function advertisedAddress({ advertised, host, port, interfaces }: Where): string {
  if (advertised !== undefined)
    return /:\d+$/.test(withoutBrackets(advertised)) ? advertised : `${advertised}:${port}`;
  const address = isWildcard(host) ? (firstOutside(interfaces, host) ?? host) : host;
  return `${isIP(address) === 6 ? `[${address}]` : address}:${port}`;
}

/** What an IPv6 address has between its brackets are no ports. */
const withoutBrackets = (text: string) => text.replace(/^\[.*\]/, '');

/** An address that stands for all addresses of a machine, however it is written. */
function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host));
}

/** `::` takes IPv4 as well, which more can reach; the other way round it does not. */
function firstOutside(interfaces: Where['interfaces'], host: string): string | undefined {
  const outside = Object.values(interfaces)
    .flatMap((addresses) => addresses ?? [])
    // A link-local address means nothing without the name of an interface.
    .filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  const families = host === '0.0.0.0' ? ['IPv4'] : ['IPv4', 'IPv6'];
  for (const family of families) {
    const found = outside.find((address) => address.family === family);
    if (found !== undefined) return found.address;
  }
  return undefined;
}
