import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import levenshtein from 'fastest-levenshtein';
import { ConfigError } from './error.ts';
import { type SettingEntry, settings, settingsTable } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Text of the settings that are set, by name, and the file it came from where it is not the environment. */
export interface Sources {
  readonly texts: ReadonlyMap<string, { readonly text: string; readonly file?: string }>;
  readonly profileDir: string;
}

const byName: ReadonlyMap<string, SettingEntry> = new Map(settingsTable.map((entry) => [entry.env, entry]));
const names = [...byName.keys()];
/** May be objects in a profile: what is JSON in the environment need not be a text in JSON. */
const STRUCTURED = new Set(['DRAGON_JWT_ISSUERS', 'DRAGON_POLICY', 'DRAGON_LIMITS']);
const ENVIRONMENT_ONLY = new Set(['DEPLOYMENT_NAME', 'DRAGON_CONFIG_DIR']);

/** Reads the environment, then the profile that it picks. Adds what is wrong to `problems`. */
export function readSources(
  env: Environment,
  defaultProfileDir: string | undefined,
  problems: string[],
): Sources {
  const texts = new Map<string, { text: string; file?: string }>();
  for (const [name, raw] of Object.entries(env)) {
    const text = raw?.trim() ?? '';
    if (text === '') continue;
    if (byName.has(name)) texts.set(name, { text });
    else if (name.startsWith('DRAGON_') && !isServiceLink(name, text)) problems.push(unknownName(name));
  }

  const { deploymentName, configDir } = settings.shape;
  const deployment = deploymentName.safeParse(texts.get('DEPLOYMENT_NAME')?.text);
  const folder = configDir.safeParse(texts.get('DRAGON_CONFIG_DIR')?.text ?? defaultProfileDir);
  // A value that is wrong is reported with all the others, by whoever parses them.
  if (!deployment.success || !folder.success) return { texts, profileDir: '' };

  const file = join(folder.data, `${deployment.data}.json`);
  for (const [name, value] of Object.entries(readProfile(file, deployment.data === 'default'))) {
    const text = profileText(value) ?? (STRUCTURED.has(name) ? JSON.stringify(value) : undefined);
    if (!byName.has(name)) problems.push(`${unknownName(name)} It is in ${file}.`);
    else if (ENVIRONMENT_ONLY.has(name))
      problems.push(`${name}: belongs in the environment, not in ${file}.`);
    else if (text === undefined) {
      problems.push(`${name}: expected a string, a number, true, false or a list of strings in ${file}.`);
    } else if (text !== '' && !texts.has(name)) texts.set(name, { text, file });
  }
  return { texts, profileDir: folder.data };
}

function readProfile(file: string, mayBeMissing: boolean): Record<string, unknown> {
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : undefined;
    if (reason === 'ENOENT' && mayBeMissing) return {};
    throw new ConfigError([
      `DEPLOYMENT_NAME: its profile ${resolve(file)} ${reason === 'ENOENT' ? 'does not exist' : `cannot be read (${reason})`}.` +
        ' Expected a JSON file with settings; DRAGON_CONFIG_DIR names its folder.',
    ]);
  }
  const profile = parseJson(content);
  if (typeof profile !== 'object' || profile === null || Array.isArray(profile)) {
    throw new ConfigError([
      `DEPLOYMENT_NAME: its profile ${resolve(file)} is not a JSON object. Expected settings by name: {"DRAGON_MCP_PORT": 8081}.`,
    ]);
  }
  return { ...profile };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
}

function profileText(value: unknown): string | undefined {
  if (typeof value === 'string') return value.trim();
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(',');
  return undefined;
}

function unknownName(name: string): string {
  return `${name}: there is no such setting. The closest is ${levenshtein.closest(name, names)}.`;
}

/**
 * Kubernetes sets variables like DRAGON_SERVICE_HOST and DRAGON_PORT_8081_TCP in every pod that can see a service
 * named `dragon` or `dragon-…`. They are nobody's mistake.
 */
function isServiceLink(name: string, text: string): boolean {
  if (/_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name)) return true;
  return (
    /_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/.test(name) &&
    (/^(tcp|udp|sctp):/.test(text) || /_\d+_/.test(name))
  );
}
