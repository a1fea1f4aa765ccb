import type { Command } from 'commander';
import { type Context, examples } from './context.ts';
import { usageError } from './exit.ts';

interface RecordOptions {
  readonly minutes: number;
  readonly follow?: boolean;
}

const DEFAULT_MINUTES = 10;
const MAX_MINUTES = 60;

/** `dragon record USER` and `dragon recordings …`. */
export function addRecordCommands(program: Command, context: Context): void {
  const { io } = context;
  program
    .command('record <user>')
    .summary('record what a user does for a while')
    .description(
      'Record the requests of a user to the MCP endpoint and their answers for a while, on all nodes, with secrets masked. That it was started is in the event log. For admins.',
    )
    .option(
      '--minutes <count>',
      `for how long, up to ${MAX_MINUTES} (default: ${DEFAULT_MINUTES})`,
      minutesOf,
      DEFAULT_MINUTES,
    )
    .option('-f, --follow', 'show what is recorded as it comes, until it is over')
    .addHelpText('after', examples(['dragon record ada --minutes 10 --follow', 'dragon record ada']))
    .action((user: string, options: RecordOptions, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { record } = await import('./record-commands.ts');
        await record(io, globals, management, user, options);
        return undefined;
      }),
    );

  const recordings = program
    .command('recordings')
    .summary('list recordings, show and stop them')
    .description(
      'List recordings of users, which are kept for a day, show what they have, and stop them. For admins.',
    )
    .helpCommand(false)
    .addHelpText(
      'after',
      examples(['dragon recordings', 'dragon recordings show ID', 'dragon recordings stop ID']),
    )
    .action((_options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { listRecordings } = await import('./record-commands.ts');
        await listRecordings(io, globals, management);
        return undefined;
      }),
    );
  recordings
    .command('show <id>')
    .summary('show what was recorded')
    .description('Show what was recorded, the oldest first.')
    .option('-f, --follow', 'and what comes, until it is over')
    .addHelpText('after', examples(['dragon recordings show ID --json']))
    .action((id: string, options: { readonly follow?: boolean }, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { showRecording } = await import('./record-commands.ts');
        await showRecording(io, globals, management, id, options.follow === true);
        return undefined;
      }),
    );
  recordings
    .command('stop <id>')
    .summary('stop a recording')
    .description('Stop a recording. What it has is kept for a day.')
    .addHelpText('after', examples(['dragon recordings stop ID']))
    .action((id: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { stopRecording } = await import('./record-commands.ts');
        await stopRecording(io, globals, management, id);
        return undefined;
      }),
    );
}

function minutesOf(text: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count > 0 && count <= MAX_MINUTES) return count;
  throw usageError(`--minutes: expected a whole number from 1 to ${MAX_MINUTES}`);
}
