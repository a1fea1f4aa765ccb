import { z } from 'zod';

/** Asymmetric signatures only: whoever could check a token by a shared secret could make one, too. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const url = z
  .string()
  .refine(
    isIssuerUrl,
    'expected an https:// URL, or an http:// one of this machine, without query and fragment',
  );
const texts = z.array(z.string().min(1));

/** A claim by its name, or by the names on the way to it. */
const claim = z
  .union([z.string().min(1), texts.min(1)])
  .transform((path): readonly string[] => (typeof path === 'string' ? [path] : path));

const issuerSchema = z
  .strictObject({
    issuer: url,
    jwksUrl: url.optional(),
    audience: z
      .union([z.string().min(1), texts.min(1)])
      .transform((given): readonly string[] => (typeof given === 'string' ? [given] : given))
      .optional(),
    algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']),
    tokenType: z.string().min(1).optional(),
    tenant: z.string().min(1).max(256).optional(),
    tenantClaim: claim.optional(),
    userClaim: claim.default(['sub']),
    rolesClaim: claim.optional(),
    roles: z.record(z.string().min(1), z.string().min(1).max(64)).default({}),
    defaultRole: z.enum(['user', 'none']).default('user'),
    mcpScopes: texts.default([]),
    manageScopes: texts.default([]),
  })
  .refine(({ tenant, tenantClaim }) => tenant === undefined || tenantClaim === undefined, {
    message: 'tenant and tenantClaim exclude each other',
  })
  .refine(({ roles, rolesClaim }) => rolesClaim !== undefined || Object.keys(roles).length === 0, {
    message: 'roles needs rolesClaim',
  });

/** An issuer of tokens as it is configured. */
export type IssuerSettings = z.output<typeof issuerSchema>;

/** A JSON list of issuers, or URLs of issuers for which all else is as usual. Answers what is wrong where something is. */
export function readIssuers(text: string): readonly IssuerSettings[] | { readonly problem: string } {
  const parsed = z.array(issuerSchema).safeParse(text.startsWith('[') ? parseJson(text) : namedOnly(text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { problem: `${issue?.path.join('.') || 'it'}: ${issue?.message}` };
  }
  return Object.freeze(parsed.data);
}

function namedOnly(text: string): readonly unknown[] {
  return text
    .split(',')
    .filter((entry) => entry.trim() !== '')
    .map((entry) => ({ issuer: entry.trim() }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isIssuerUrl(text: string): boolean {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isThisMachine(hostname));
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
