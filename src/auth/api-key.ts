import { createHash, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';

/** In random bytes: as much as SHA-256 can hold apart. */
const SECRET_BYTES = 32;

/** Names a key in lists and in the database. Not a secret. */
const ID_BYTES = 10;

const KEY = /^drg_([0-9a-f]{20})_[A-Za-z0-9_-]{43}$/;

export const API_KEY_PREFIX = 'drg_';

export interface MintedKey {
  readonly id: string;
  /** To be shown once, and kept nowhere. */
  readonly key: string;
  readonly hash: string;
}

export function mintApiKey(): MintedKey {
  const id = randomBytes(ID_BYTES).toString('hex');
  const key = `${API_KEY_PREFIX}${id}_${randomBytes(SECRET_BYTES).toString('base64url')}`;
  return { id, key, hash: digest(key).toString('base64url') };
}

/** The id in a key; undefined for what is not one. */
export function apiKeyId(key: string): string | undefined {
  return KEY.exec(key)?.[1];
}

/** In constant time, whatever is presented. */
export function matches(presented: string, hash: string): boolean {
  const stored = Buffer.from(hash, 'base64url');
  const given = digest(presented);
  return stored.length === given.length && timingSafeEqual(given, stored);
}

export function hashOf(key: KeyObject): string {
  return digest(key.export()).toString('base64url');
}

/** A plain hash will do: nobody can try out 2^256 secrets, and a slow one would let anybody keep the gateway busy. */
function digest(key: string | Buffer): Buffer {
  return createHash('sha256').update(key).digest();
}
