import type { Command } from 'commander';
import { apiKeyOf } from './addresses.ts';
import { type Context, examples, globals } from './context.ts';

/** `dragon doctor`. */
export function addDoctorCommand(program: Command, context: Context): void {
  const { io } = context;
  program
    .command('doctor')
    .summary('find what is wrong, and say what mends it')
    .description(
      'Look at all that a gateway with this environment stands on: its settings, ports, files, database, Redis, clocks and keys; and, where one runs, at its nodes and at the servers of the caller. Starts no gateway, and changes nothing. Exit code 1: something is wrong.',
    )
    .addHelpText('after', examples(['dragon doctor', 'dragon doctor --json']))
    .action(async (_options: unknown, command: Command) => {
      const { doctor } = await import('./doctor-commands.ts');
      const options = globals(command);
      const apiKey = apiKeyOf(io, options);
      context.exitCode = await doctor(io, apiKey === undefined ? options : { ...options, apiKey });
    });
}
