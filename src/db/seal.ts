import { createCipheriv, createDecipheriv, createHmac, type KeyObject, randomBytes } from 'node:crypto';
import type { Owner } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

const VERSION = 'v1';
const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Where a sealed value belongs. It opens nowhere else, so that a row copied to another owner is of no use. */
export interface SealPlace {
  readonly owner: Owner;
  readonly serverId: string;
  readonly field: 'headers' | 'env' | 'oauth_grant' | 'oauth_client' | 'oauth_tokens' | 'oauth_login';
}

/** Seals secrets for storage and opens them again. */
export interface Sealer {
  /** How all begins that the sealing key has sealed; undefined without a key. */
  readonly prefix: string | undefined;
  /** `v1.<key id>.<iv, ciphertext and tag in base64url>`. FailedPrecondition without a key. */
  seal(secret: string, place: SealPlace): string;
  /** FailedPrecondition where no key opens it, or where it was altered or moved. */
  open(sealed: string, place: SealPlace): string;
}

/** The first key seals, all keys open: a new key is put in front, and the old one is kept until nothing needs it. */
export function createSealer(keys: readonly KeyObject[]): Sealer {
  const byId = new Map(keys.map((key) => [keyId(key), key]));
  const [sealing] = keys;

  return {
    prefix: sealing && `${VERSION}.${keyId(sealing)}.`,

    seal(secret, place) {
      if (sealing === undefined) {
        throw new GatewayError(
          Code.FailedPrecondition,
          'Headers, environment variables and log-ins are stored encrypted, and there is no key: set DRAGON_ENCRYPTION_KEY',
        );
      }
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(CIPHER, sealing, iv).setAAD(binding(place));
      const body = Buffer.concat([iv, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${VERSION}.${keyId(sealing)}.${body.toString('base64url')}`;
    },

    open(sealed, place) {
      const [version, id = '', body = ''] = sealed.split('.');
      const key = version === VERSION ? byId.get(id) : undefined;
      if (key === undefined) {
        throw new GatewayError(
          Code.FailedPrecondition,
          'The secrets of this server are encrypted with a key that the gateway does not have: add it to DRAGON_ENCRYPTION_KEY, or set them again',
        );
      }
      try {
        return decrypt(key, Buffer.from(body, 'base64url'), place);
      } catch (cause) {
        throw new GatewayError(
          Code.FailedPrecondition,
          'The secrets of this server were altered in the database: set them again',
          { cause },
        );
      }
    },
  };
}

function decrypt(key: KeyObject, body: Buffer, place: SealPlace): string {
  const decipher = createDecipheriv(CIPHER, key, body.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    .setAAD(binding(place))
    .setAuthTag(body.subarray(-TAG_BYTES));
  return decipher.update(body.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
}

/** JSON, so that no choice of characters in one part can pass for a border between two. */
function binding({ owner, serverId, field }: SealPlace): Buffer {
  return Buffer.from(JSON.stringify(['dragon', VERSION, owner.tenantId, owner.userId, serverId, field]));
}

/** Tells which key sealed a value and says nothing about the key. */
function keyId(key: KeyObject): string {
  return createHmac('sha256', key).update('dragon key id').digest().subarray(0, 6).toString('base64url');
}
