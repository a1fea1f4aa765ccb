import { redact } from '../telemetry/redact.ts';

/** Longer ones are left out: read in full they would hold up others. */
const MAX_READ = 65_536;

/** Characters that are kept of one. */
const MAX_KEPT = 8192;

/** Texts of tools often are JSON themselves. */
const MAX_NESTED = 3;

/**
 * A message as it may be kept: what is secret by its name or its form is masked, and what is too much left out. Undefined for
 * what cannot be read, whose secrets could not be found.
 */
export function keptBody(text: string | Buffer): string | undefined {
  if (text.length > MAX_READ) return undefined;
  const value = parsed(text.toString());
  if (value === undefined) return undefined;
  const kept = JSON.stringify(redact({ value: unfolded(value, 0) })['value']);
  return kept.length > MAX_KEPT ? `${kept.slice(0, MAX_KEPT)}…` : kept;
}

/** With JSON inside of texts as what it is, so that names in it are seen. */
function unfolded(value: unknown, depth: number): unknown {
  if (typeof value === 'string') {
    const inner = depth < MAX_NESTED && /^\s*[[{]/.test(value) ? parsed(value) : undefined;
    return inner === undefined
      ? value
      : JSON.stringify(redact({ inner: unfolded(inner, depth + 1) })['inner']);
  }
  if (Array.isArray(value)) return value.map((item) => unfolded(item, depth));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, unfolded(item, depth)]));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
