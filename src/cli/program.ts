import { Command, CommanderError } from 'commander';
import { packageVersion } from '../version.ts';
import { Context, examples, globals } from './context.ts';
import { addDoctorCommand } from './doctor-program.ts';
import { addEventCommands } from './event-program.ts';
import { ExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { addKeyCommands } from './key-program.ts';
import { addKeyringCommands } from './keyring-program.ts';
import { addLimitsCommands } from './limits-program.ts';
import { endWithNpx } from './parent.ts';
import { addPolicyCommands } from './policy-program.ts';
import { addRecordCommands } from './record-program.ts';
import { addServerCommands } from './server-program.ts';
import { addSessionCommands } from './session-program.ts';
import { addToolCommands } from './tool-program.ts';

/** Runs a command line (without node and script) and answers its exit code. Throws only what is a bug. */
export async function run(args: readonly string[], io: Io): Promise<ExitCode> {
  const context = new Context(io);
  try {
    await buildProgram(context).parseAsync(args, { from: 'user' });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
    // Loaded only where there is an error to tell: it knows the error classes of both clients.
    const { failureOf } = await import('./errors.ts');
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    io.err(`dragon: ${failure.message}\n`);
    return failure.exitCode;
  }
}

function buildProgram(context: Context): Command {
  const { io } = context;
  const program = new Command('dragon')
    .description('One MCP endpoint for AI applications, many MCP servers behind it.')
    .version(packageVersion(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .option('--json', 'print JSON, for scripts')
    .option('--management-url <url>', 'management API of the gateway (default: http://127.0.0.1:8080)')
    .option('--mcp-url <url>', 'MCP endpoint of the gateway (default: http://127.0.0.1:8081/mcp)')
    .option('--api-key <key>', 'key to show who calls (default: DRAGON_API_KEY, which others cannot see)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: io.out,
      writeErr: io.err,
      outputError: (text, write) => write(errorLine(text)),
    })
    .showSuggestionAfterError()
    .showHelpAfterError('Its help tells how: add --help.')
    .exitOverride()
    .helpCommand('help [command]', 'show help of a command')
    .addHelpText(
      'after',
      `
The defaults of both URLs follow DRAGON_HOST, DRAGON_GRPC_PORT and DRAGON_MCP_PORT.
Exit codes: 0 done, 1 failed, 2 used wrongly, 3 no gateway answers.
${examples([
  'dragon serve',
  'dragon server add everything --command "npx -y @modelcontextprotocol/server-everything"',
  'dragon import ~/.cursor/mcp.json',
  'dragon tools',
  `dragon call everything__echo '{"message": "hello"}'`,
])}`,
    );

  program
    .command('serve')
    .summary('run the gateway')
    .description(
      'Run the gateway until it is told to stop. Its settings are environment variables. Exit code 78: a setting, or what it finds on this machine, does not let it start.',
    )
    .addHelpText('after', examples(['dragon serve', 'DRAGON_MCP_PORT=9081 dragon serve']))
    .action(async () => {
      endWithNpx(io);
      const { serve } = await import('../main.ts');
      await serve(io.env);
    });

  addServerCommands(program, context);
  addToolCommands(program, context);
  addKeyCommands(program, context);
  addKeyringCommands(program, context);
  addPolicyCommands(program, context);
  addLimitsCommands(program, context);
  addEventCommands(program, context);
  addSessionCommands(program, context);
  addRecordCommands(program, context);
  addDoctorCommand(program, context);

  program
    .command('config')
    .summary('show the effective configuration')
    .description(
      'Show the configuration that a gateway started with this environment has: environment, profile, defaults. Secrets show as ***.',
    )
    .addHelpText('after', examples(['dragon config', 'DEPLOYMENT_NAME=staging dragon config --json']))
    .action(async (_options: unknown, command: Command) => {
      const { showConfig } = await import('./config-command.ts');
      showConfig(io, globals(command));
    });
  return program;
}

function errorLine(text: string): string {
  return text.replace(/^error: /, 'dragon: ');
}
