const MASK = '[redacted]';

/** Deeper than this, a value is not worth a log line. It also ends cycles. */
const MAX_DEPTH = 6;

/** Longer strings are cut: a body quoted in an error must not fill the disk. */
const MAX_LENGTH = 4096;

/** Names whose value is a secret as a whole. */
const SECRET_NAME =
  /^(proxy-)?authorization$|^(set-)?cookie$|token$|secret|passwo?r?d|passphrase|credential|api[-_]?key|private[-_]?key|^x-.*key$/i;

/** Names whose value is a set of secrets: the names inside are shown, their values are not. */
const SECRET_SET = /^(headers?|env(ironment)?|cookies)$/i;

/** Names that end like a secret's and hold none. */
const HARMLESS_NAME = /^(progress|page|next_?page)_?token$/i;

/** Secrets inside of text: credentials of a scheme, of a URL, and of a query. */
const IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{4,}/gi, `$1 ${MASK}`],
  [/(\b[a-z][a-z\d+.-]*:\/\/)[^\s/@"']*@/gi, `$1${MASK}@`],
  [/([?&][\w.-]*(?:token|secret|password|key|code|signature)=)[^&\s"']+/gi, `$1${MASK}`],
];

/** The text without the secrets that can be told by their form. */
export function scrub(text: string): string {
  let result = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
  for (const [pattern, replacement] of IN_TEXT) result = result.replace(pattern, replacement);
  return result;
}

/** A copy fit for a log: secrets masked by name and by form, errors spelt out with their causes. */
export function redact(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactRecord(fields, 0);
}

function redactRecord(record: object, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(record)) result[name] = redactNamed(name, value, depth);
  return result;
}

function redactNamed(name: string, value: unknown, depth: number): unknown {
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  if (SECRET_NAME.test(name) && !HARMLESS_NAME.test(name)) return MASK;
  if (SECRET_SET.test(name)) return maskValues(value);
  return redactValue(value, depth + 1);
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrub(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value;
  if (value instanceof URL) return scrub(value.href);
  if (depth > MAX_DEPTH) return '[deep]';
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Headers || value instanceof Map) return maskValues(Object.fromEntries(value));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return redactRecord(value, depth);
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  // The own enumerable properties are what libraries attach: codes, and at times whole requests.
  const { message, stack, name, ...attached } = error;
  const result: Record<string, unknown> = {
    type: error.name,
    message: scrub(error.message),
    stack: error.stack === undefined ? undefined : scrub(error.stack),
    ...redactRecord(attached, depth),
  };
  if (error.cause !== undefined) result['cause'] = redactValue(error.cause, depth + 1);
  return result;
}

function maskValues(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return MASK;
  return Object.fromEntries(Object.keys(value).map((name) => [name, MASK]));
}
