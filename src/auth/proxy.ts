import { createHash, type KeyObject, timingSafeEqual } from 'node:crypto';
import { type BlockList, isIP } from 'node:net';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type Identity, isIdentifier, type Presented } from './identity.ts';
import { type Role, rolesOf } from './principal.ts';

export interface ProxyOptions {
  /** Where the proxy's connections come from. */
  readonly addresses: BlockList;
  /** Names of headers, in lower case. Without `tenantHeader`, or where a request has none: `default`. */
  readonly userHeader: string;
  readonly tenantHeader: string;
  readonly rolesHeader: string;
  /** Which of the comma-separated roles make an admin; the others are roles by their own names. */
  readonly adminRoles: readonly string[];
  /** What the proxy sends in {@link SECRET_HEADER} to show that it is the one; undefined: its address will do. */
  readonly secret: KeyObject | undefined;
}

const SECRET_HEADER = 'dragon-proxy-secret';

const DEFAULT_TENANT = 'default';

/** Addresses, and combinations of names, that are remembered. */
const MAX_KNOWN = 10_000;

/** Of one user; the rest means nothing. */
const MAX_ROLES = 100;

/** Who a proxy in front says that makes a request. From any other address its headers mean nothing. */
export class ProxyIdentities {
  readonly #options: ProxyOptions;
  readonly #secret: Buffer | undefined;
  readonly #addresses = new Map<string, boolean>();
  readonly #known = new Map<string, Identity>();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#secret = options.secret && digest(options.secret.export());
  }

  /**
   * Undefined for a request that the proxy does not speak for: of another address, without the secret, or without a user.
   * Throws Unauthenticated for a name that cannot be one.
   */
  identify({ headers, remoteAddress }: Presented): Identity | undefined {
    const { userHeader, tenantHeader, rolesHeader } = this.#options;
    const user = headers[userHeader];
    if (user === undefined || remoteAddress === undefined || !this.#isProxy(remoteAddress)) return undefined;
    if (this.#secret !== undefined && !this.#isSecret(headers[SECRET_HEADER])) return undefined;
    const tenant = headers[tenantHeader] ?? DEFAULT_TENANT;
    const roles = headers[rolesHeader] ?? '';
    // No header's value has a line's end in it.
    const key = `${tenant}\n${user}\n${roles}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const principal = {
      tenantId: nameIn(tenantHeader, tenant),
      userId: nameIn(userHeader, user),
      roles: this.#rolesIn(String(roles)),
    };
    const identity = { principal, until: Number.POSITIVE_INFINITY, barred: {} };
    keep(this.#known, key, identity);
    return identity;
  }

  #isProxy(address: string): boolean {
    const known = this.#addresses.get(address);
    if (known !== undefined) return known;
    const family = isIP(address);
    // A BlockList knows an IPv4 address that is written as one of IPv6, too.
    const isProxy = family !== 0 && this.#options.addresses.check(address, family === 4 ? 'ipv4' : 'ipv6');
    keep(this.#addresses, address, isProxy);
    return isProxy;
  }

  #isSecret(given: string | string[] | undefined): boolean {
    return (
      typeof given === 'string' &&
      this.#secret !== undefined &&
      timingSafeEqual(digest(Buffer.from(given, 'latin1')), this.#secret)
    );
  }

  /** `admin` is what the configuration says it is, whatever the proxy calls so. */
  #rolesIn(header: string): readonly Role[] {
    const given = utf8(header)
      .split(',')
      .map((role) => role.trim());
    const named = given.filter((role) => role !== 'admin' && isIdentifier(role)).slice(0, MAX_ROLES);
    const isAdmin = given.some((role) => this.#options.adminRoles.includes(role));
    return rolesOf(isAdmin ? ['admin', ...named] : named);
  }
}

function keep<T>(known: Map<string, T>, key: string, value: T): void {
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(key, value);
}

/** Of equal length, so that they can be compared in constant time. */
function digest(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/** What was sent as UTF-8, and HTTP hands over byte by byte. */
function utf8(value: string): string {
  return Buffer.from(value, 'latin1').toString('utf8');
}

/** A name of a header. A comma may be the seam of two headers: then nobody knows which was the proxy's. */
function nameIn(header: string, value: string | string[]): string {
  const name = typeof value === 'string' ? utf8(value) : '';
  if (isIdentifier(name) && !name.includes(',') && !name.includes('\uFFFD')) return name;
  throw new GatewayError(Code.Unauthenticated, `The header ${header} is not one name`);
}
