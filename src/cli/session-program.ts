import type { Command } from 'commander';
import { type Context, examples } from './context.ts';
import { usageError } from './exit.ts';

const DEFAULT_LIMIT = 100;

interface ListOptions {
  readonly user?: string;
  readonly limit: number;
}

/** `dragon nodes` and `dragon sessions …`. */
export function addSessionCommands(program: Command, context: Context): void {
  const { io } = context;
  program
    .command('nodes')
    .summary('list the nodes of the gateway')
    .description(
      'List the nodes of the gateway, those included that went a few minutes ago. CLOCK: by how much the clock of a node is ahead of that of Redis. For admins.',
    )
    .addHelpText('after', examples(['dragon nodes', 'dragon nodes --json']))
    .action((_options: unknown, command: Command) =>
      context.managing(command, async (management, options) => {
        const { listNodes } = await import('./session-commands.ts');
        await listNodes(io, options, management);
        return undefined;
      }),
    );

  const list = (options: ListOptions, command: Command) =>
    context.managing(command, async (management, globals) => {
      const { listSessions } = await import('./session-commands.ts');
      await listSessions(io, globals, management, options.user, options.limit);
      return undefined;
    });
  const listing = (command: Command) =>
    command
      .option('--user <id>', 'those of this user; for admins')
      .option('--limit <count>', `most to show (default: ${DEFAULT_LIMIT})`, limitOf, DEFAULT_LIMIT);

  const sessions = listing(
    program
      .command('sessions')
      .summary('list sessions of clients, and end them')
      .description(
        'List sessions of clients on all nodes. A user sees its own, an admin those of its tenant. What is shown as a session is no id that a client could use; `dragon events` shows the same.',
      )
      .helpCommand(false)
      .addHelpText(
        'after',
        examples(['dragon sessions', 'dragon sessions --user ada', 'dragon sessions end JcQyDV2JXyQkW0nG']),
      ),
  ).action(list);
  listing(
    sessions
      .command('list')
      .summary('list sessions')
      .description('List sessions, as `dragon sessions` does.'),
  )
    .addHelpText('after', examples(['dragon sessions list --json']))
    .action((_options: unknown, command: Command) => list(command.optsWithGlobals<ListOptions>(), command));

  sessions
    .command('end <session>')
    .summary('end a session on all nodes')
    .description(
      'End a session on all nodes: its streams are closed, its requests cancelled, its sessions with servers ended. Its client is told to initialize again.',
    )
    .addHelpText('after', examples(['dragon sessions end JcQyDV2JXyQkW0nG']))
    .action((id: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, options) => {
        const { endSession } = await import('./session-commands.ts');
        await endSession(io, options, management, id);
        return undefined;
      }),
    );
}

function limitOf(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw usageError('--limit: expected a whole number above 0');
}
