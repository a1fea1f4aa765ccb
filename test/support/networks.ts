import { type AllowedNetworks, readAllowedNetworks } from '../../src/networks/allowed.ts';
import { NetworkGuard, type Resolve } from '../../src/networks/guard.ts';

/** What `DRAGON_ALLOWED_NETWORKS` with this text allows. */
export function allowing(text: string): AllowedNetworks {
  const allowed = readAllowedNetworks(text);
  if (allowed === undefined) throw new TypeError(`${text} is no list of networks`);
  return allowed;
}

/** A guard that lets connections go everywhere. */
export const anyNetwork = (resolve?: Resolve) => new NetworkGuard(allowing('any'), resolve);
