import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { RedisOptions } from 'ioredis';
import type { RedisTarget, RedisTls } from './url.ts';

/** Replies keep the shapes that they have by default. */
export type ConnectionSettings = Omit<RedisOptions, 'replyMapping'>;

/**
 * Milliseconds without an answer to what was sent after which a connection is given up. Longer than a command waits, so
 * that one slow answer does not cost the connection.
 */
export const SILENCE_MS = 2000;
const CONNECT_TIMEOUT_MS = 5000;

/** Milliseconds after which a server that loads its data is asked again whether it is done. */
const LOADING_PAUSE_MS = 1000;

/** What all connections have in common, wherever they go. */
export function commonSettings(target: RedisTarget, name: string): ConnectionSettings {
  return {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    ...(target.tls === undefined ? {} : { tls: tlsSettings(target.tls) }),
    connectionName: name,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    maxLoadingRetryTime: LOADING_PAUSE_MS,
    // What was sent when a connection broke may have been done: whoever sent it is told so at once.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // A master that is one no longer: another connection finds the one that is.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

export function tlsSettings(tls: RedisTls): ConnectionOptions {
  return {
    ...(tls.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: readFileSync(tls.key) }),
    ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    rejectUnauthorized: tls.verify,
  };
}
