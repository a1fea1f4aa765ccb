import type { z } from 'zod';
import type { AuthWay } from './kinds.ts';
import type { settings } from './settings.ts';

type Values = z.output<typeof settings>;

/** What a way of authentication needs, and what is of use to it alone. */
const BELONGS: readonly {
  readonly way: AuthWay;
  readonly name: string;
  readonly key: keyof Values;
  readonly isNeeded: boolean;
}[] = [
  { way: 'api-key', name: 'DRAGON_ADMIN_API_KEY', key: 'adminApiKey', isNeeded: false },
  { way: 'jwt', name: 'DRAGON_JWT_ISSUERS', key: 'jwtIssuers', isNeeded: true },
  { way: 'jwt', name: 'DRAGON_PUBLIC_URL', key: 'publicUrl', isNeeded: true },
  { way: 'proxy', name: 'DRAGON_PROXY_ADDRESSES', key: 'proxyAddresses', isNeeded: true },
  { way: 'proxy', name: 'DRAGON_PROXY_SECRET', key: 'proxySecret', isNeeded: false },
];

/** What is right alone and wrong together, in the settings of authentication. */
export function authenticationProblems(values: Values): readonly string[] {
  const found: string[] = [];
  for (const { way, name, key, isNeeded } of BELONGS) {
    const isOn = values.auth.includes(way);
    const isSet = values[key] !== undefined;
    if (isOn && isNeeded && !isSet) found.push(`${name}: expected a value, since DRAGON_AUTH names ${way}.`);
    // A lock that is put in and does not lock is worse than none.
    if (!isOn && isSet && key !== 'publicUrl')
      found.push(`${name}: has no effect without ${way} in DRAGON_AUTH; expected both or neither.`);
  }
  return [...found, ...issuerProblems(values.jwtIssuers ?? [])];
}

function issuerProblems(issuers: NonNullable<Values['jwtIssuers']>): readonly string[] {
  const found: string[] = [];
  const names = issuers.map(({ issuer }) => issuer);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    found.push(`DRAGON_JWT_ISSUERS: ${twice} is there twice; expected each issuer once.`);
  const open = issuers.find(({ tenant, tenantClaim }) => tenant === undefined && tenantClaim === undefined);
  // Two issuers call different people by the same name.
  if (issuers.length > 1 && open !== undefined)
    found.push(
      `DRAGON_JWT_ISSUERS: ${open.issuer} has neither tenant nor tenantClaim; expected one of them for each of several ` +
        'issuers, so that nobody becomes a user of another issuer.',
    );
  return found;
}
