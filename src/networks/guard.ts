import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { AddressClass } from './address.ts';
import { type AllowedNetworks, refusedClass } from './allowed.ts';

/** Resolves a name to all of its addresses. */
export type Resolve = (
  host: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Decides where connections to servers may go, by the address that a socket is about to connect to. */
export class NetworkGuard {
  readonly #allowed: AllowedNetworks;
  readonly #resolve: Resolve;

  constructor(allowed: AllowedNetworks, resolve: Resolve = systemLookup) {
    this.#allowed = allowed;
    this.#resolve = resolve;
  }

  /** Why there is no connection to a host; undefined for one that is allowed, and for a name, which {@link lookup} resolves. */
  refusal(host: string): string | undefined {
    const address = host.replace(/^\[(.*)\]$/, '$1');
    const found = isIP(address) === 0 ? undefined : refusedClass(this.#allowed, address);
    return found && because(host, 'is', found);
  }

  /** Throws FailedPrecondition where {@link refusal} has a reason. */
  check(host: string): void {
    const reason = this.refusal(host);
    if (reason !== undefined) throw new GatewayError(Code.FailedPrecondition, reason);
  }

  /**
   * For `net.connect` and `tls.connect`, which connect to what it gives them and ask nobody else, so that a name can't
   * lead elsewhere after the check. A name is refused when one of its addresses is: FailedPrecondition. They don't ask
   * for hosts that are addresses; these are for {@link check}.
   */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.#resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, []);
      for (const { address } of addresses) {
        const found = refusedClass(this.#allowed, address, host);
        if (found === undefined) continue;
        const reason = because(host, 'leads to', found);
        return callback(new GatewayError(Code.FailedPrecondition, reason), []);
      }
      const [first] = addresses;
      if (options.all === true || first === undefined) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function because(host: string, verb: string, found: AddressClass): string {
  const hint = found === 'metadata' ? ', which has to list the address itself' : '';
  return `The host ${host} ${verb} ${NAMES[found]}: servers there have to be allowed by an operator (DRAGON_ALLOWED_NETWORKS${hint})`;
}

const NAMES: Readonly<Record<AddressClass, string>> = {
  loopback: 'a loopback address',
  private: 'an address of a private network',
  'link-local': 'a link-local address',
  metadata: "an address of a cloud's metadata service",
  unspecified: 'an unspecified address',
  multicast: 'a multicast address',
  broadcast: 'the broadcast address',
  shared: 'an address of a shared (carrier) network',
  reserved: 'a reserved address',
};
