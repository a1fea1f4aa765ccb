import type { Environment } from '../config/sources.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { checkDatabase } from './database.ts';
import { checkFiles } from './files.ts';
import { type Finding, fault, ok, skipped } from './finding.ts';
import { checkPorts } from './ports.ts';
import { checkRedis } from './redis.ts';

export interface Examination {
  readonly findings: readonly Finding[];
  /** Undefined where it cannot be read. */
  readonly config: Config | undefined;
  /** Whether a gateway answers on its ports. */
  readonly isRunning: boolean;
}

/** Looks at all that a gateway with this environment would stand on. Starts none, and changes nothing. */
export async function examine(env: Environment): Promise<Examination> {
  let config: Config;
  try {
    config = loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const findings = error.problems.map((problem) =>
      fault('configuration', problem, 'Set it right, or unset it; docs/configuration.md has all settings.'),
    );
    const rest = skipped('all else', 'cannot be looked at before the configuration is right');
    return { findings: [...findings, rest], config: undefined, isRunning: false };
  }
  const ports = await checkPorts(config);
  const [files, database, redis] = await Promise.all([
    config.databaseUrl === undefined ? checkFiles(config.dataDir) : [],
    checkDatabase(config),
    checkRedis(config.redisUrl),
  ]);
  const findings = [ok('configuration', 'can be read'), ...ports.findings, ...files, ...database, ...redis];
  return { findings, config, isRunning: ports.isRunning };
}
