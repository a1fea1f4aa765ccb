import type { Logger } from '../../telemetry/types.ts';
import type { RedisBus } from './bus.ts';
import type { Connection } from './connection.ts';

export interface StartParts {
  readonly connection: Connection;
  readonly bus: Pick<RedisBus, 'start'>;
  /** Told once that Redis is waited for, and once that it is there. */
  readonly logger: Logger;
  /** Milliseconds to wait for a Redis that is not there: it may be on its way, and its address may be wrong. */
  readonly awayMs: number;
  /** Milliseconds to wait for one that says that it loads its data: it will be there. */
  readonly loadingMs: number;
}

/** Resolves once commands are answered and the bus is heard. Rejects with the last thing in the way when the time is over. */
export async function untilStarted(parts: StartParts): Promise<void> {
  const { connection, bus, logger, awayMs, loadingMs } = parts;
  const { client } = connection;
  const startedAt = performance.now();
  const late = Promise.withResolvers<never>();
  let last: unknown = new Error('no answer');
  let isWaiting = false;
  const giveUp = () => late.reject(last);
  const away = setTimeout(giveUp, awayMs);
  const end = setTimeout(giveUp, Math.max(awayMs, loadingMs));
  const note = (error: unknown) => {
    last = error;
    if (isLoading(error)) away.refresh();
    if (isWaiting) return;
    isWaiting = true;
    logger.warn('Redis is not there yet, and is waited for', { reason: reasonOf(error) });
  };
  client.on('error', note).on('node error', note);
  try {
    await Promise.race([connection.ready(note).then(() => bus.start()), late.promise]);
    const seconds = Math.round((performance.now() - startedAt) / 10) / 100;
    if (isWaiting) logger.info('Redis is there', { seconds });
  } finally {
    clearTimeout(away);
    clearTimeout(end);
    client.off('error', note).off('node error', note);
  }
}

function isLoading(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('LOADING');
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
