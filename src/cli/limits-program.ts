import type { Command } from 'commander';
import { type Context, examples, globals } from './context.ts';

/** `dragon limits …`. */
export function addLimitsCommands(program: Command, context: Context): void {
  const { io } = context;
  const example = examples(['dragon limits check --file limits.json']);
  const limits = program
    .command('limits')
    .summary('check limits of calls')
    .description('How many calls whom may make (DRAGON_LIMITS), looked at without a gateway.')
    .helpCommand(false)
    .addHelpText('after', example);

  limits
    .command('check')
    .summary('say whether limits can be read')
    .description('Read limits, and say what is wrong with them.')
    .option('--file <path>', 'the limits (default: what DRAGON_LIMITS says)')
    .addHelpText('after', example)
    .action(async ({ file }: { file?: string }, command: Command) => {
      const { checkLimits } = await import('./limits-commands.ts');
      context.exitCode = checkLimits(io, globals(command), file);
    });
}
