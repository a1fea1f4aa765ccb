import { enableCompileCache } from 'node:module';
import { argv, env } from 'node:process';
import { fileURLToPath } from 'node:url';

// Before anything else is loaded: the second start finds its code compiled.
enableCompileCache();

/**
 * Runs the gateway until a signal ends it. Resolves when it has stopped; a start that fails says why in one line on
 * stderr and sets the exit code.
 */
export async function serve(environment: Readonly<Record<string, string | undefined>>): Promise<void> {
  const { run } = await import('./run.ts');
  await run(environment);
}

if (argv[1] === fileURLToPath(import.meta.url)) await serve(env);
