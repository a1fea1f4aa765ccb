import { ConnectionLost } from '../downstream/connection-lost.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { LogFields } from '../telemetry/types.ts';
import type { ExchangeOptions } from './exchange.ts';
import type { RisingProgress } from './rising-progress.ts';

/** Before a call is run again, in milliseconds: its server may be on its way back. */
const PAUSE_MS = 200;

export interface SecondRunOptions {
  readonly server: DownstreamServer;
  readonly method: string;
  /** For the log. */
  readonly about: LogFields;
  readonly options: Pick<ExchangeOptions, 'breakers' | 'logger' | 'metrics'>;
  readonly progress: RisingProgress;
  /** What is left of the call's time, in milliseconds. */
  readonly leftMs: () => number;
  readonly run: () => void;
}

/** The one second run of a call that may be run again and whose connection was lost. */
export class SecondRun {
  readonly #options: SecondRunOptions;
  #pause: NodeJS.Timeout | undefined;
  #hasBegun = false;

  constructor(options: SecondRunOptions) {
    this.#options = options;
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether a failure is not the end: the call is run again after a pause, unless its server is left alone. */
  follows(error: GatewayError): boolean {
    const { server, method, about, options, progress, leftMs, run } = this.#options;
    if (this.#hasBegun || !(error instanceof ConnectionLost) || leftMs() <= PAUSE_MS) return false;
    if (options.breakers.state(server.id) !== 'closed') return false;
    this.#hasBegun = true;
    progress.restart();
    options.metrics.repeated();
    options.logger.info('a call is run again: its connection was lost', {
      server: server.name,
      method,
      ...about,
      reason: error.message,
    });
    this.#pause = setTimeout(run, PAUSE_MS);
    this.#pause.unref();
    return true;
  }

  cancel(): void {
    clearTimeout(this.#pause);
  }
}

/** What a client is told where a call is not run again. */
export function outcomeUnknown(error: GatewayError): GatewayError {
  if (!(error instanceof ConnectionLost) || error.message.includes('outcome')) return error;
  return new GatewayError(error.code, `${error.message}; the outcome of the call is unknown`, {
    cause: error,
  });
}
