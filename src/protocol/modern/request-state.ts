import {
  createCipheriv,
  createDecipheriv,
  createHash,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { Code, GatewayError } from '../errors.ts';

const CIPHER = 'aes-256-gcm';
const VERSION = 1;
const KEY_ID_BYTES = 4;
/** The version and the key's id, which stand before the cipher text and are authenticated with it. */
const HEAD_BYTES = 1 + KEY_ID_BYTES;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const BINDING_BYTES = 16;

const EXPIRY_BYTES = 6;
const ROUND_BYTES = 2;
const MAX_ROUND = 0xffff;
const MAX_NODE_BYTES = 0xff;

/** Far longer than any of ours. What is longer is not looked at. */
const MAX_LENGTH = 2048;

/** A call that waits on some node for its client's answers. */
export interface ParkedCall {
  /** Id of the node that holds the call. */
  readonly node: string;
  /** The call's name on that node. */
  readonly park: string;
  /** How many times the client has been asked, from 1. A state of an earlier round is for the owner to refuse. */
  readonly round: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Whose call it is and what it asks for: the state opens for nothing else. */
export interface StateBinding {
  readonly tenantId: string;
  readonly userId: string;
  /** Of the request, by `requestDigest`. */
  readonly digest: Buffer;
}

export type StateRefusal = 'tampered' | 'unknown_key' | 'other_user' | 'other_request' | 'expired';

/** InvalidParams that says the same whatever is wrong, so that nobody can learn from it; `refusal` is for counting. */
export class StateRefused extends GatewayError {
  readonly refusal: StateRefusal;
  constructor(refusal: StateRefusal) {
    super(
      Code.InvalidParams,
      'Invalid params: "requestState" is not valid for this request, or no longer; start again without it',
    );
    this.refusal = refusal;
  }
}

/** Seals what a client carries from one round to the next, and opens it again on any node with the same keys. */
export interface RequestStates {
  /** Base64url, some 200 characters. Never the same twice. Internal without a key. */
  seal(call: ParkedCall, binding: StateBinding): string;
  /** Throws {@link StateRefused}. `now`: milliseconds since 1970. */
  open(state: string, binding: StateBinding, now: number): ParkedCall;
}

interface StateKey {
  readonly id: Buffer;
  readonly key: Buffer;
}

/**
 * The first key seals, all open. Each is made from one of the fleet's keys and used for nothing else. Random IVs of 96 bits
 * are good for 2^32 states of one key.
 */
export function createRequestStates(fleetKeys: readonly KeyObject[]): RequestStates {
  const keys = fleetKeys.map(derive);
  const [sealing] = keys;

  return {
    seal(call, binding) {
      if (sealing === undefined)
        throw new GatewayError(Code.Internal, 'Internal error', {
          cause: new Error('no key for request states'),
        });
      const head = Buffer.concat([Buffer.of(VERSION), sealing.id]);
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv(CIPHER, sealing.key, iv).setAAD(head);
      const body = [cipher.update(write(call, binding)), cipher.final(), cipher.getAuthTag()];
      return Buffer.concat([head, iv, ...body]).toString('base64url');
    },

    open(state, binding, now) {
      if (state.length > MAX_LENGTH) throw new StateRefused('tampered');
      const bytes = Buffer.from(state, 'base64url');
      // Node reads past what is not base64url: only one spelling of a state is ours.
      if (bytes.toString('base64url') !== state || bytes[0] !== VERSION) throw new StateRefused('tampered');
      const key = keys.find(({ id }) => id.equals(bytes.subarray(1, HEAD_BYTES)));
      if (key === undefined) throw new StateRefused('unknown_key');
      const content = decrypt(key.key, bytes);
      if (content === undefined) throw new StateRefused('tampered');
      return read(content, binding, now);
    },
  };
}

function derive(fleetKey: KeyObject): StateKey {
  const bytes = Buffer.from(hkdfSync('sha256', fleetKey, '', 'dragon request state v1', 32 + KEY_ID_BYTES));
  return { key: bytes.subarray(0, 32), id: bytes.subarray(32) };
}

function decrypt(key: Buffer, bytes: Buffer): Buffer | undefined {
  if (bytes.length < HEAD_BYTES + IV_BYTES + TAG_BYTES) return undefined;
  const body = bytes.subarray(HEAD_BYTES);
  try {
    const decipher = createDecipheriv(CIPHER, key, body.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
      .setAAD(bytes.subarray(0, HEAD_BYTES))
      .setAuthTag(body.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(body.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** Whose, what, until when, which round, the node's id after its length, and the rest is the call's name. */
function write({ node, park, round, expiresAt }: ParkedCall, binding: StateBinding): Buffer {
  const nodeBytes = Buffer.from(node, 'utf8');
  if (nodeBytes.length > MAX_NODE_BYTES || round < 0 || round > MAX_ROUND)
    throw new GatewayError(Code.Internal, 'Internal error', {
      cause: new RangeError('no state can hold this call'),
    });
  const numbers = Buffer.alloc(EXPIRY_BYTES + ROUND_BYTES + 1);
  numbers.writeUIntBE(Math.floor(expiresAt), 0, EXPIRY_BYTES);
  numbers.writeUInt16BE(round, EXPIRY_BYTES);
  numbers[EXPIRY_BYTES + ROUND_BYTES] = nodeBytes.length;
  return Buffer.concat([
    userTag(binding),
    requestTag(binding),
    numbers,
    nodeBytes,
    Buffer.from(park, 'utf8'),
  ]);
}

/** Only what one of our keys sealed comes here, so what is compared is no secret to whoever could measure the time. */
function read(content: Buffer, binding: StateBinding, now: number): ParkedCall {
  if (!content.subarray(0, BINDING_BYTES).equals(userTag(binding))) throw new StateRefused('other_user');
  if (!content.subarray(BINDING_BYTES, 2 * BINDING_BYTES).equals(requestTag(binding)))
    throw new StateRefused('other_request');
  const rest = content.subarray(2 * BINDING_BYTES);
  const expiresAt = rest.readUIntBE(0, EXPIRY_BYTES);
  if (now >= expiresAt) throw new StateRefused('expired');
  const round = rest.readUInt16BE(EXPIRY_BYTES);
  const nodeAt = EXPIRY_BYTES + ROUND_BYTES + 1;
  const nodeEnd = nodeAt + rest.readUInt8(nodeAt - 1);
  return {
    node: rest.toString('utf8', nodeAt, nodeEnd),
    park: rest.toString('utf8', nodeEnd),
    round,
    expiresAt,
  };
}

/** JSON, so that no choice of characters in one part can pass for a border between two. */
function userTag({ tenantId, userId }: StateBinding): Buffer {
  return createHash('sha256')
    .update(JSON.stringify([tenantId, userId]))
    .digest()
    .subarray(0, BINDING_BYTES);
}

function requestTag({ digest }: StateBinding): Buffer {
  return digest.subarray(0, BINDING_BYTES);
}
