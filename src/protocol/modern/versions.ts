/** Versions of MCP in which every request carries its version and what its client can do, newest first. */
export const MODERN_VERSIONS = ['2026-07-28'] as const;

export type ModernVersion = (typeof MODERN_VERSIONS)[number];

export const LATEST_MODERN: ModernVersion = MODERN_VERSIONS[0];

const FIRST_MODERN = '2026-07-28';

/** Whether this is a version of the modern era that is spoken here. */
export function isModernVersion(value: unknown): value is ModernVersion {
  return (MODERN_VERSIONS as readonly unknown[]).includes(value);
}

/** Whether a version is of the modern era, spoken here or not. Versions are dates, so they sort as text. */
export function namesModern(value: string): boolean {
  return value === FIRST_MODERN || (value > FIRST_MODERN && /^\d{4}-\d\d-\d\d$/.test(value));
}

/** The newest version that both sides speak; undefined where there is none. `theirs`: as a server lists them. */
export function commonVersion(theirs: readonly unknown[]): ModernVersion | undefined {
  return MODERN_VERSIONS.find((version) => theirs.includes(version));
}
