import { BlockList, isIP } from 'node:net';
import type { z } from 'zod';
import { authenticationProblems } from './config/authentication.ts';
import { ConfigError } from './config/error.ts';
import { settings, settingsTable } from './config/settings.ts';
import { type Environment, readSources, type Sources } from './config/sources.ts';
import { type AllowedNetworks, readAllowedNetworks } from './networks/allowed.ts';

export { ConfigError } from './config/error.ts';

/** Every setting with its value, read once at the start. Frozen, lists included. */
export type Config = Readonly<
  Omit<z.output<typeof settings>, 'allowedNetworks' | 'drainDelayMs' | 'host'>
> & {
  readonly allowedNetworks: AllowedNetworks;
  readonly host: string;
  readonly drainDelayMs: number;
  /** `stdio` resolved: whether the gateway may start processes. */
  readonly stdioAllowed: boolean;
};

export interface LoadOptions {
  /** Folder of the profiles where DRAGON_CONFIG_DIR is unset; `config` in the working directory when absent. */
  readonly profileDir?: string;
}

/**
 * The configuration: environment, then the profile file that DEPLOYMENT_NAME picks, then defaults. An empty value is
 * an unset one. Throws a {@link ConfigError} that names everything that is wrong.
 */
export function loadConfig(env: Environment, options: LoadOptions = {}): Config {
  const problems: string[] = [];
  const sources = readSources(env, options.profileDir, problems);
  const input = Object.fromEntries(
    settingsTable.map(({ key, env: name }) => [key, sources.texts.get(name)?.text]),
  );
  const parsed = settings.safeParse({ ...input, configDir: sources.profileDir || input['configDir'] });
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => describe(issue.path[0], issue.message, sources)));
  } else {
    problems.push(...contradictions(parsed.data));
  }
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems);
  const { stdio, redisUrl, drainDelayMs = redisUrl === undefined ? 0 : CLUSTER_DRAIN_MS } = parsed.data;
  const host = hostOf(parsed.data);
  const stdioAllowed = stdio === 'on' || (stdio === 'auto' && isLoopback(host));
  const allowedNetworks =
    parsed.data.allowedNetworks ?? (parsed.data.auth.length > 0 ? NO_NETWORKS : ANY_NETWORK);
  return Object.freeze({ ...parsed.data, allowedNetworks, host, drainDelayMs, stdioAllowed });
}

/** Whoever is the only user reaches these addresses without the gateway, too. */
const ANY_NETWORK = readAllowedNetworks('any') as AllowedNetworks;
const NO_NETWORKS = readAllowedNetworks('') as AllowedNetworks;

/** Whoever turns authentication on means to be reached by others. */
function hostOf({ host, auth }: z.output<typeof settings>): string {
  return host ?? (auth.length > 0 ? '0.0.0.0' : '127.0.0.1');
}

/** For a balancer that asks every second or two, and for the parts of Kubernetes to tell each other. */
const CLUSTER_DRAIN_MS = 5000;

/** A value of {@link maskedConfig}: fit for JSON. */
export type ShownValue = string | number | boolean | readonly string[] | null;

/** The effective configuration by the names of the settings; secrets that are set show as `***`, unset ones as null. */
export function maskedConfig(config: Config): Readonly<Record<string, ShownValue>> {
  const shown: Record<string, ShownValue> = {};
  for (const { key, env, secret } of settingsTable) {
    const value = config[key];
    if (value === undefined || (Array.isArray(value) && secret && value.length === 0)) shown[env] = null;
    else if (secret) shown[env] = '***';
    else shown[env] = shownValue(value);
  }
  return shown;
}

function shownValue(value: unknown): ShownValue {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(shownEntry);
  return typeof value === 'object' && value !== null && 'texts' in value && Array.isArray(value.texts)
    ? value.texts.map(String)
    : String(value);
}

function shownEntry(entry: unknown): string {
  return typeof entry === 'object' ? JSON.stringify(entry) : String(entry);
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether a host name or IP address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  const family = isIP(host);
  if (family === 0) return host.toLowerCase() === 'localhost';
  return loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function describe(key: PropertyKey | undefined, expected: string, sources: Sources): string {
  const entry = settingsTable.find((candidate) => candidate.key === key);
  if (entry === undefined) return expected;
  const source = sources.texts.get(entry.env);
  const value = entry.secret ? 'its value (hidden)' : JSON.stringify(source?.text ?? entry.default ?? '');
  const place = source?.file === undefined ? '' : ` in ${source.file}`;
  return `${entry.env}: ${value}${place} is not accepted; ${expected}.`;
}

/** What is right alone and wrong together. */
function contradictions(values: z.output<typeof settings>): string[] {
  const found: string[] = [...authenticationProblems(values)];
  const host = hostOf(values);
  if (!isLoopback(host) && values.auth.length === 0 && !values.allowUnauthenticated) {
    found.push(
      `DRAGON_HOST: "${host}" can be reached from other machines, and there is no authentication (DRAGON_AUTH is none), ` +
        'so whoever reaches it may use and change everything. Expected a loopback address (127.0.0.1, ::1, localhost), ' +
        'DRAGON_AUTH, or DRAGON_ALLOW_UNAUTHENTICATED=true where something in front decides who gets through.',
    );
  }
  const ports = [
    ['DRAGON_MCP_PORT', values.mcpPort],
    ['DRAGON_GRPC_PORT', values.grpcPort],
    ['DRAGON_MANAGEMENT_PORT', values.managementPort],
  ] as const;
  ports.forEach(([name, port], index) => {
    const twin = ports.slice(0, index).find(([, other]) => other === port && port !== 0);
    if (twin !== undefined)
      found.push(`${name}: ${port} is ${twin[0]} too; expected another port, or 0 for any free one.`);
  });
  if (values.redisUrl !== undefined && values.databaseUrl === undefined) {
    found.push(
      'REDIS_URL: set without DATABASE_URL, each node of the cluster would have servers of its own; expected DATABASE_URL too.',
    );
  }
  if (values.callMaxTimeoutMs < values.callTimeoutMs) {
    found.push(
      `DRAGON_CALL_MAX_TIMEOUT_MS: ${values.callMaxTimeoutMs} is shorter than DRAGON_CALL_TIMEOUT_MS ` +
        `(${values.callTimeoutMs}); expected at least as much.`,
    );
  }
  return found;
}
