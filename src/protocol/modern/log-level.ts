/** Levels of log messages, from the chattiest to the gravest (2026-07-28, logging; RFC 5424, 6.2.1). */
export const LOG_LEVELS = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export function isLogLevel(value: unknown): value is LogLevel {
  return (LOG_LEVELS as readonly unknown[]).includes(value);
}

/**
 * Whether a log message is for the sender of a request. One that named no level gets none; neither does anyone get a
 * message whose level is not one.
 */
export function wantsLog(least: LogLevel | undefined, level: unknown): boolean {
  return least !== undefined && isLogLevel(level) && LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least);
}
