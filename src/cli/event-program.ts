import type { Command } from 'commander';
import { type Context, examples } from './context.ts';
import { parseDuration } from './durations.ts';
import type { EventWishes } from './event-commands.ts';
import { OUTCOMES, TYPES } from './event-names.ts';
import { usageError } from './exit.ts';

interface EventOptions extends EventWishes {
  readonly follow?: boolean;
}

const DAY_MS = 24 * 3_600_000;
const DEFAULT_LIMIT = 50;

/** `dragon events …`. */
export function addEventCommands(program: Command, context: Context): void {
  const { io } = context;
  const events = program
    .command('events')
    .summary('show what has happened')
    .description(
      'Show what has happened, the newest first: calls, sessions, keys, changes of the configuration, health of servers. A user sees its own, an admin those of its tenant.',
    )
    .helpCommand(false)
    .option('-f, --follow', 'wait for what happens from now on, and show that')
    .option('--type <type>', TYPES.join(', '), (text: string) => oneOf(text, TYPES, '--type'))
    .option('--server <name>', 'about this downstream server')
    .option('--tool <name>', 'of this tool, by its own name')
    .option('--user <id>', 'of this user; for admins')
    .option('--outcome <outcome>', OUTCOMES.join(', '), (text: string) => oneOf(text, OUTCOMES, '--outcome'))
    .option('--since <time>', 'from then on: 90s, 1h30m, 7d ago, or a date', (text: string) =>
      moment(text, '--since'),
    )
    .option('--until <time>', 'before then', (text: string) => moment(text, '--until'))
    .option('--limit <count>', `most to show (default: ${DEFAULT_LIMIT})`, limit, DEFAULT_LIMIT)
    .addHelpText(
      'after',
      examples([
        'dragon events --since 1h --outcome timeout',
        'dragon events --server github --follow',
        'dragon events --type management --json',
        'dragon events verify',
      ]),
    )
    .action((options: EventOptions, command: Command) => {
      if (options.follow && (options.since !== undefined || options.until !== undefined))
        throw usageError('--follow shows what happens from now on: --since and --until do not go with it');
      return context.managing(command, async (management, globals) => {
        const { followEvents, listEvents } = await import('./event-commands.ts');
        if (options.follow) return await followEvents(io, globals, management, options);
        return await listEvents(io, globals, management, options);
      });
    });

  events
    .command('verify')
    .summary('look whether all events are as they were')
    .description(
      'Look whether all events of the tenant are as they were when they were stored. Names the first that was edited, removed or put in. Exit code 1: there is one. For admins.',
    )
    .addHelpText('after', examples(['dragon events verify']))
    .action((_options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { verifyEvents } = await import('./event-commands.ts');
        return await verifyEvents(io, globals, management);
      }),
    );
}

function oneOf<T extends string>(text: string, choices: readonly T[], option: string): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw usageError(`${option}: expected ${choices.join(', ')}`);
  return found;
}

/** A time so long ago, or a date. */
function moment(text: string, option: string): number {
  const [, days] = /^(\d{1,4})d$/.exec(text) ?? [];
  if (days !== undefined) return Date.now() - Number(days) * DAY_MS;
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return Date.now() - parseDuration(text, option);
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw usageError(`${option}: expected a time such as 1h or 7d, or a date`);
  return time;
}

function limit(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw usageError('--limit: expected a whole number above 0');
}
