import { isIP } from 'node:net';
import { type AddressClass, bytesOf, carriedIn, classOf, isMapped, startsAlike } from './address.ts';

/** Where connections may go beside the public Internet. */
export interface AllowedNetworks {
  /** As they were written. */
  readonly texts: readonly string[];
  /** Everywhere but to what tells machines their credentials. */
  readonly any: boolean;
  readonly classes: ReadonlySet<AddressClass>;
  /** Lower case, without a dot at the end. */
  readonly hosts: ReadonlySet<string>;
  readonly ranges: readonly { readonly bytes: readonly number[]; readonly bits: number }[];
}

const HOST = /^[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/;
const MAPPED_BITS = 96;

/** Reads a list with commas; undefined where an entry is none. */
export function readAllowedNetworks(text: string): AllowedNetworks | undefined {
  const texts = text
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '');
  const classes = new Set<AddressClass>();
  const hosts = new Set<string>();
  const ranges: { bytes: readonly number[]; bits: number }[] = [];
  for (const entry of texts) {
    const range = rangeOf(entry);
    const host = hostKey(entry);
    if (entry === 'loopback' || entry === 'private') classes.add(entry);
    else if (range !== undefined) ranges.push(range);
    else if (entry === 'any') continue;
    else if (HOST.test(host) && !/(^|\.)(\d+|0x[\da-f]*)$/.test(host)) hosts.add(host);
    else return undefined;
  }
  return Object.freeze({ texts: Object.freeze(texts), any: texts.includes('any'), classes, hosts, ranges });
}

function rangeOf(entry: string) {
  const [, address = entry, digits] = /^([^/]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  const bytes = isIP(bare) === 0 || bare.includes('%') ? undefined : bytesOf(bare);
  if (bytes === undefined) return undefined;
  const most = bytes.length * 8;
  const bits = digits === undefined ? most : Number(digits);
  if (bits > most) return undefined;
  // ::ffff:10.0.0.0/104 means 10.0.0.0/8.
  return isMapped(bytes) && bits >= MAPPED_BITS
    ? { bytes: bytes.slice(12), bits: bits - MAPPED_BITS }
    : { bytes, bits };
}

/** A host name as it is compared. */
function hostKey(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}

/**
 * What keeps a connection from an address; undefined where it may be made. `host`: the name that led there, if one did.
 * What is no address at all counts as reserved.
 */
export function refusedClass(
  allowed: AllowedNetworks,
  address: string,
  host?: string,
): AddressClass | undefined {
  const bytes = bytesOf(address);
  if (bytes === undefined) return 'reserved';
  const found = classOf(bytes);
  if (found === undefined) return undefined;
  const carried = carriedIn(bytes);
  const isListed = allowed.ranges.some(({ bytes: prefix, bits }) => {
    // Nobody who lists a whole network means those who give out its machines' credentials.
    if (found === 'metadata' && bits < prefix.length * 8) return false;
    return startsAlike(bytes, prefix, bits) || (carried !== undefined && startsAlike(carried, prefix, bits));
  });
  if (isListed) return undefined;
  if (found === 'metadata') return found;
  const isAllowed =
    allowed.any || allowed.classes.has(found) || (host !== undefined && allowed.hosts.has(hostKey(host)));
  return isAllowed ? undefined : found;
}
