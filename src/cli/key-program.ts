import type { Command } from 'commander';
import { type Context, examples } from './context.ts';
import { parseDuration } from './durations.ts';
import { usageError } from './exit.ts';
import { type KeyScope, SCOPES } from './key-scopes.ts';

interface CreateOptions {
  readonly scope?: readonly KeyScope[];
  readonly admin?: boolean;
  readonly role: readonly string[];
  readonly user?: string;
  /** Milliseconds from now. */
  readonly expires?: number;
}

interface UserOption {
  readonly user?: string;
}

const DAY_MS = 24 * 3_600_000;

/** `dragon key …`. */
export function addKeyCommands(program: Command, context: Context): void {
  const { io } = context;
  const key = program
    .command('key')
    .summary('create, list and revoke API keys')
    .description('The API keys that stand for users, where DRAGON_AUTH of the gateway names api-key.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples(['dragon key create laptop', 'dragon key list', 'dragon key revoke 5f0c3e1b9a7d2468ace0']),
    );

  key
    .command('create')
    .summary('make a key and show it, this once')
    .description(
      'Make an API key. It is printed this once; the gateway keeps nothing that it could be read from.',
    )
    .argument('<name>', 'for people, to tell keys apart')
    .option('--scope <scope>', 'what it opens: mcp, manage or admin; repeatable (default: mcp)', collectScope)
    .option('--admin', 'short for the three scopes')
    .option(
      '--role <name>',
      'a role that it has beside `user`, for the policy and shared servers; repeatable; for admins',
      collect,
      [],
    )
    .option('--user <id>', 'whom it stands for (default: you); for admins')
    .option('--expires <time>', 'when it ends, from now on, such as 90d or 12h (default: never)', lifetime)
    .addHelpText(
      'after',
      examples([
        'dragon key create laptop',
        'dragon key create ci --user build --scope mcp --scope manage --expires 90d',
        'dragon key create desk --user kim --role support --role sales',
        'dragon key create operations --admin',
      ]),
    )
    .action((name: string, options: CreateOptions, command: Command) => {
      const { admin = false, scope = ['mcp'], role: roles, user, expires } = options;
      if (admin && options.scope !== undefined) throw usageError('--admin and --scope exclude each other');
      return context.managing(command, async (management, globals) => {
        const { createKey } = await import('./key-commands.ts');
        const spec = { name, scopes: admin ? SCOPES : scope, roles, user, lifetimeMs: expires };
        await createKey(io, globals, management, spec);
      });
    });

  key
    .command('list')
    .summary('list the keys')
    .alias('ls')
    .description('List the API keys of a user, the oldest first, revoked ones included.')
    .option('--user <id>', 'whose (default: yours); for admins')
    .addHelpText('after', examples(['dragon key list', 'dragon key list --user build --json']))
    .action(({ user }: UserOption, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { listKeys } = await import('./key-commands.ts');
        await listKeys(io, globals, management, user);
      }),
    );

  key
    .command('revoke')
    .summary('end a key')
    .argument('<id>', 'its id, as `dragon key list` shows it')
    .description('End an API key, at once and on all nodes. It cannot be undone.')
    .addHelpText('after', examples(['dragon key revoke 5f0c3e1b9a7d2468ace0']))
    .action((id: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { revokeKey } = await import('./key-commands.ts');
        await revokeKey(io, globals, management, id);
      }),
    );
}

function collectScope(text: string, before: readonly KeyScope[] = []): readonly KeyScope[] {
  const scope = SCOPES.find((each) => each === text);
  if (scope === undefined) throw usageError(`--scope: expected ${SCOPES.join(', ')}`);
  return [...before, scope];
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

function lifetime(text: string): number {
  const [, days] = /^(\d{1,5})d$/.exec(text) ?? [];
  return days === undefined || Number(days) === 0 ? parseDuration(text, '--expires') : Number(days) * DAY_MS;
}
