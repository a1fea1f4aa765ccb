import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { BusMessage } from '../bus.ts';
import { Mac } from './mac.ts';

const envelopeSchema = z.object({ from: z.string(), message: z.looseObject({ kind: z.string() }) });

interface Envelope {
  readonly from: string;
  readonly message: BusMessage;
}

/** Bytes of a signature that are sent: enough against guessing. */
const MAC_BYTES = 16;
const MAC_CHARS = 22;

/**
 * What goes through Redis from members to members: signed with a key that the members of the cluster have, and whoever else gets into the Redis
 * has not. The signature is of the channel, too, so that what was said to one node means nothing on the channel of another.
 */
export class Envelopes {
  readonly #keys: readonly Mac[];

  /** The first key signs, all are accepted. Without any, nothing is signed, and nothing that is signed is accepted. */
  constructor(keys: readonly KeyObject[]) {
    this.#keys = keys.map((key) => new Mac(createHmac('sha256', key).update('dragon bus').digest()));
  }

  seal(channel: string, envelope: Envelope): string {
    return this.sign(channel, JSON.stringify(envelope));
  }

  /** Throws where it is not one of a member's. */
  open(channel: string, sealed: string): Envelope {
    return envelopeSchema.parse(JSON.parse(this.signed(channel, sealed)));
  }

  sign(channel: string, text: string): string {
    const [key] = this.#keys;
    return key === undefined ? text : `${macOf(key, channel, text).toString('base64url')}${text}`;
  }

  /** The text that was signed. Throws where no member has. */
  signed(channel: string, sealed: string): string {
    const text = this.#keys.length === 0 ? sealed : sealed.slice(MAC_CHARS);
    if (this.#keys.length > 0) {
      const mac = Buffer.from(sealed.slice(0, MAC_CHARS), 'base64url');
      const isSigned =
        mac.length === MAC_BYTES && this.#keys.some((key) => timingSafeEqual(macOf(key, channel, text), mac));
      if (!isSigned) throw new Error('It is not signed by a member of the cluster');
    }
    return text;
  }
}

function macOf(key: Mac, channel: string, text: string): Buffer {
  return key.of(`${channel}\n${text}`).subarray(0, MAC_BYTES);
}
