import { createConnection, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AbstractConnector } from 'ioredis';
import { SILENCE_MS, tlsSettings } from './settings.ts';
import type { RedisTarget } from './url.ts';

type Address = RedisTarget['addresses'][number];

/** As ioredis takes it. */
export type Connector = new () => AbstractConnector;

/**
 * A connection for ioredis, which hears of its first error alone: a TLS connection may have a second one, when it was
 * given up during its handshake, and an error that nobody hears ends the process.
 */
export function openStream(
  address: Address,
  tls: RedisTarget['tls'],
  onError: (error: Error) => void,
): Socket {
  const stream =
    tls === undefined ? createConnection(address) : connectTls({ ...address, ...tlsSettings(tls) });
  return stream.once('error', onError).on('error', () => {});
}

/** Makes connections to the one server of a target that has one. */
export function singleConnector({ addresses: [address], tls }: RedisTarget): Connector {
  return class SingleConnector extends AbstractConnector {
    constructor() {
      super(SILENCE_MS);
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      await new Promise<void>((resolve) => process.nextTick(resolve));
      if (!this.connecting) throw new Error('Connection is closed.');
      const stream = openStream(address, tls, (error) => {
        this.firstError = error;
      });
      this.stream = stream;
      return stream;
    }
  };
}
