import { createRequire } from 'node:module';
import { type DestinationStream, type Logger as Pino, pino, stdTimeFunctions } from 'pino';
import { redact, scrub } from './redact.ts';
import type { LogFields, Logger, LogLevel } from './types.ts';

/** `auto`: pretty on a terminal, JSON lines everywhere else. */
export type LogFormat = 'json' | 'pretty' | 'auto';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Id of this node, on each line. */
  readonly node: string;
  /** Pretty lines tell it, too. */
  readonly showNode?: boolean;
  /** Where lines go; standard output unless given. */
  readonly destination?: DestinationStream;
}

const require = createRequire(import.meta.url);

/**
 * Lines are written at once and in this thread: a crash loses none, and start-up does not wait for a worker. The pretty
 * printer is loaded only where it is used.
 */
export function createLogger(options: LoggerOptions): Logger {
  return new PinoLogger(
    pino(
      {
        level: options.level,
        base: { node: options.node },
        timestamp: stdTimeFunctions.isoTime,
        formatters: { level: (label) => ({ level: label }) },
        // Errors come spelt out by redact().
        serializers: { err: (value: unknown) => value },
      },
      openDestination(options),
    ),
  );
}

function openDestination({ format, destination, showNode = false }: LoggerOptions): DestinationStream {
  const isTerminal = destination === undefined && process.stdout.isTTY === true;
  const target = destination ?? pino.destination({ fd: 1, sync: true });
  if (format === 'json' || (format === 'auto' && !isTerminal)) return target;
  const { prettyFactory }: typeof import('pino-pretty') = require('pino-pretty');
  const prettify = prettyFactory({
    colorize: isTerminal,
    ignore: showNode ? 'pid,hostname' : 'pid,hostname,node',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return { write: (line) => target.write(prettify(line)) };
}

class PinoLogger implements Logger {
  readonly #pino: Pino;

  constructor(target: Pino) {
    this.#pino = target;
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields);
  }

  enabled(level: Exclude<LogLevel, 'silent'>): boolean {
    return this.#pino.isLevelEnabled(level);
  }

  child(fields: LogFields): Logger {
    return new PinoLogger(this.#pino.child(redact(fields)));
  }

  #write(level: Exclude<LogLevel, 'silent'>, message: string, fields: LogFields | undefined): void {
    if (!this.#pino.isLevelEnabled(level)) return;
    if (fields === undefined) this.#pino[level](scrub(message));
    else this.#pino[level](redact(fields), scrub(message));
  }
}
