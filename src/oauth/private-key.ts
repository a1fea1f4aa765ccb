import { createPrivateKey, type KeyObject, type webcrypto } from 'node:crypto';
import { Code, GatewayError } from '../protocol/errors.ts';

/** A client's private key, as it signs assertions (RFC 7523). */
interface SigningKey {
  readonly key: webcrypto.CryptoKey;
  /** By which an authorization server finds the public key among several. */
  readonly kid?: string;
}

/** Below, a signature is none. */
const MIN_RSA_BITS = 2048;

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

const RSA_ALG = /^(RS|PS)(256|384|512)$/;

/**
 * Reads a private key in PEM or JWK. RSA keys sign with RS256 unless a JWK says otherwise. Throws InvalidArgument, which says
 * nothing of what was given.
 */
export function readPrivateKey(text: string): SigningKey {
  const jwk = text.trimStart().startsWith('{') ? parseJwk(text) : undefined;
  const key = parseKey(text, jwk);
  const kid = jwk?.['kid'];
  const signing = key.toCryptoKey(algorithmOf(key, jwk?.['alg']), false, ['sign']);
  return { key: signing, ...(typeof kid === 'string' && kid !== '' ? { kid } : {}) };
}

function parseJwk(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text);
  } catch {
    throw refused('is no JSON, and no PEM');
  }
}

function parseKey(text: string, jwk: Readonly<Record<string, unknown>> | undefined): KeyObject {
  try {
    return jwk === undefined ? createPrivateKey(text) : createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  } catch {
    // Without its cause, which may quote the key.
    throw refused('must be a private key in PEM (PKCS#8, not encrypted) or JWK');
  }
}

function algorithmOf(key: KeyObject, alg: unknown) {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key;
  if (type === 'ed25519') return { name: 'Ed25519' };
  if (type === 'ec') {
    const namedCurve = CURVES[details.namedCurve ?? ''];
    if (namedCurve === undefined) throw refused('is of a curve other than P-256, P-384 and P-521');
    return { name: 'ECDSA', namedCurve };
  }
  if (type !== 'rsa') throw refused('must be a key of RSA, EC or Ed25519');
  if ((details.modulusLength ?? 0) < MIN_RSA_BITS) throw refused(`must have at least ${MIN_RSA_BITS} bits`);
  const [, scheme, bits] = RSA_ALG.exec(typeof alg === 'string' ? alg : 'RS256') ?? [];
  if (scheme === undefined) throw refused('names an algorithm that is none of its kind');
  return { name: scheme === 'PS' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5', hash: `SHA-${bits}` };
}

function refused(description: string): GatewayError {
  return new GatewayError(Code.InvalidArgument, `The private key ${description}`);
}
