import type { Command } from 'commander';
import { type Context, examples } from './context.ts';
import { usageError } from './exit.ts';

const DEFAULT_TIMEOUT_S = 600;

/** `dragon tools` and `dragon call`. */
export function addToolCommands(program: Command, context: Context): void {
  const { io } = context;
  program
    .command('tools')
    .summary('list the tools that clients see')
    .description('List the tools as a client of the gateway sees them, under the names it calls them by.')
    .option('--server <name>', 'only those of one server')
    .addHelpText('after', examples(['dragon tools', 'dragon tools --server docs', 'dragon tools --json']))
    .action(async (options: { readonly server?: string }, command: Command) => {
      const { server } = options;
      let only: Set<string> | undefined;
      if (server !== undefined) {
        await context.managing(command, async (management) => {
          const { toolNames } = await import('./management.ts');
          only = await toolNames(management, server);
        });
      }
      await context.calling(command, async (url, globals) => {
        const { listTools } = await import('./tool-commands.ts');
        await listTools(io, globals, url, only);
      });
    });

  program
    .command('call')
    .summary('call a tool')
    .description(
      'Call a tool and print its result. Exit code 1 where the tool fails. Progress goes to standard error.',
    )
    .argument('<tool>', 'its name, as `dragon tools` lists it')
    .argument('[arguments]', 'a JSON object; @FILE reads it from a file, - from standard input', '{}')
    .option('--timeout <seconds>', 'give up after so long without progress', seconds, DEFAULT_TIMEOUT_S)
    .addHelpText(
      'after',
      examples([
        `dragon call echo '{"message": "hello"}'`,
        'dragon call docs__search @query.json',
        `echo '{"a": 1, "b": 2}' | dragon call math__add - --json`,
      ]),
    )
    .action((tool: string, argument: string, options: { readonly timeout: number }, command: Command) =>
      context.calling(command, async (url, globals) => {
        const { callTool } = await import('./tool-commands.ts');
        return callTool(io, { ...globals, timeout: options.timeout }, url, tool, argument);
      }),
    );
}

function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > 86_400) {
    throw usageError('--timeout: expected whole seconds from 1 to 86400');
  }
  return value;
}
