import type { Command } from 'commander';
import { type Context, examples } from './context.ts';
import { parseDuration } from './durations.ts';
import { usageError } from './exit.ts';
import type { LoginOptions } from './login-commands.ts';
import type { NewServer, NewTarget, Sharing, Timeouts } from './new-server.ts';
import { addOAuthOptions, type OAuthOptions, oauthOf } from './oauth-options.ts';
import {
  collectEnv,
  collectHeader,
  collectShare,
  collectToolTimeout,
  splitCommand,
} from './server-options.ts';
import { CLEARABLE, type UpdateOptions } from './server-update-options.ts';

interface AddOptions extends OAuthOptions {
  readonly url?: string;
  readonly command?: string;
  readonly toolPrefix?: string;
  readonly header?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly disabled?: boolean;
  readonly timeout?: number;
  readonly maxTimeout?: number;
  readonly toolTimeout?: Record<string, Timeouts>;
  readonly share?: Sharing;
}

const QUOTES = 'its command line; quotes keep words together';
const HEADER = 'header sent with each request, "Name: value"; repeatable';
const ENV = 'variable of the process, NAME=value; repeatable';
const TIMEOUT = 'end a call after so long without a sign of life, such as 90s or 5m';
const MAX_TIMEOUT = 'end a call after so long whatever its progress, such as 30m';
const TOOL_TIMEOUT = 'both for one tool by its own name, NAME=5m or NAME=5m:1h; repeatable';
const SHARE = 'share it, as an admin: tenant for everybody, or role:NAME; repeatable';
const timeout = (text: string) => parseDuration(text, '--timeout');
const maxTimeout = (text: string) => parseDuration(text, '--max-timeout');

const LOGIN_COMMANDS = [
  [
    'login',
    'log in to a server',
    'Show an address to log in to a server at, with a browser. It is good for ten minutes, and for you alone.',
  ],
  [
    'logout',
    'end the log-in to a server',
    'End the log-in to a server: it is forgotten, and revoked where that can be.',
  ],
  [
    'login-status',
    'tell whether you are logged in to a server',
    'Tell whether you are logged in to a server. Exit code 1 where a log-in is needed.',
  ],
] as const;

/** `dragon server …` and `dragon import`. */
export function addServerCommands(program: Command, context: Context): void {
  const { io } = context;
  const server = program
    .command('server')
    .summary('add, list, change, remove and test MCP servers')
    .description('The MCP servers behind the gateway.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        'dragon server add docs --url https://example.com/mcp',
        'dragon server list',
        'dragon server test docs',
      ]),
    );

  addOAuthOptions(server.command('add'))
    .summary('add a server')
    .description('Add a server, reached at a URL or started as a process of the gateway.')
    .argument('<name>', "letters, digits, '-' and '_', at most 64; it starts the names of the server's tools")
    .argument('[command...]', 'after `--`: its command line, word by word')
    .option('--url <url>', 'its MCP endpoint (Streamable HTTP)')
    .option('--command <line>', QUOTES)
    .option('--tool-prefix <prefix>', "start of its tools' names in place of the server's name; '' for none")
    .option('--header <header>', HEADER, collectHeader)
    .option('--env <variable>', ENV, collectEnv)
    .option('--cwd <folder>', 'folder to start the process in')
    .option('--timeout <time>', TIMEOUT, timeout)
    .option('--max-timeout <time>', MAX_TIMEOUT, maxTimeout)
    .option('--tool-timeout <limits>', TOOL_TIMEOUT, collectToolTimeout)
    .option('--share <whom>', SHARE, collectShare)
    .option('--disabled', 'add it without showing it to clients')
    .addHelpText(
      'after',
      examples([
        'dragon server add docs --url https://example.com/mcp --header "Authorization: Bearer TOKEN"',
        'dragon server add files --command "npx -y @modelcontextprotocol/server-filesystem \'/my documents\'"',
        'dragon server add memory --env MEMORY_FILE_PATH=/tmp/memory.json -- npx -y @modelcontextprotocol/server-memory',
        'dragon server add slow --url https://example.com/mcp --timeout 90s --tool-timeout export=10m:1h',
      ]),
    )
    .action((name: string, words: string[], options: AddOptions, command: Command) => {
      const spec = newServer(name, words, options);
      return context.managing(command, async (management, globals) => {
        const { addServer } = await import('./server-commands.ts');
        await addServer(io, globals, management, spec);
      });
    });

  server
    .command('list')
    .summary('list the servers')
    .alias('ls')
    .description('List the servers, the oldest first.')
    .addHelpText('after', examples(['dragon server list', "dragon server list --json | jq -r '.[].name'"]))
    .action((_options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { listServers } = await import('./server-commands.ts');
        await listServers(io, globals, management);
      }),
    );

  server
    .command('get')
    .summary('show one server')
    .argument('<name>', 'name of the server')
    .description('Show one server. Values of headers and variables are never shown.')
    .addHelpText('after', examples(['dragon server get docs']))
    .action((name: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { getServer } = await import('./server-commands.ts');
        await getServer(io, globals, management, name);
      }),
    );

  addOAuthOptions(server.command('update'))
    .summary('change a server')
    .description('Change a server. What no option names stays as it is.')
    .argument('<name>', 'name of the server')
    .option('--name <name>', 'its new name')
    .option('--url <url>', 'its new MCP endpoint')
    .option('--command <line>', QUOTES)
    .option('--tool-prefix <prefix>', "start of its tools' names; '' for none")
    .option('--header <header>', `${HEADER}; together they replace all headers`, collectHeader)
    .option('--env <variable>', `${ENV}; together they replace all variables`, collectEnv)
    .option('--cwd <folder>', 'folder to start the process in')
    .option('--timeout <time>', TIMEOUT, timeout)
    .option('--max-timeout <time>', MAX_TIMEOUT, maxTimeout)
    .option(
      '--tool-timeout <limits>',
      `${TOOL_TIMEOUT}; together they replace those of all tools`,
      collectToolTimeout,
    )
    .option('--share <whom>', SHARE, collectShare)
    .option('--clear <field...>', `set back: ${[...CLEARABLE.keys()].join(', ')}`)
    .option('--enable', 'show it to clients')
    .option('--disable', 'hide it from clients')
    .addHelpText(
      'after',
      examples([
        'dragon server update docs --url https://example.com/v2/mcp',
        'dragon server update docs --header "Authorization: Bearer NEW"',
        'dragon server update docs --clear tool-prefix --disable',
      ]),
    )
    .action((name: string, options: UpdateOptions, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { updateServer } = await import('./server-update.ts');
        await updateServer(io, globals, management, name, options);
      }),
    );

  server
    .command('remove')
    .summary('remove a server')
    .alias('rm')
    .argument('<name>', 'name of the server')
    .description('Remove a server. Its tools are gone at once.')
    .addHelpText('after', examples(['dragon server remove docs']))
    .action((name: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { removeServer } = await import('./server-commands.ts');
        await removeServer(io, globals, management, name);
      }),
    );

  server
    .command('test')
    .summary('connect to a server and tell how it went')
    .argument('<name>', 'name of the server')
    .description('Connect to a server anew and tell how it went. Exit code 1 where the server fails.')
    .addHelpText('after', examples(['dragon server test docs']))
    .action((name: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { testServer } = await import('./server-commands.ts');
        return testServer(io, globals, management, name);
      }),
    );

  server
    .command('refresh')
    .summary("fetch a server's tools, resources and prompts again")
    .argument('<name>', 'name of the server')
    .description("Fetch a server's tools, resources and prompts again.")
    .addHelpText('after', examples(['dragon server refresh docs']))
    .action((name: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { refreshServer } = await import('./server-commands.ts');
        await refreshServer(io, globals, management, name);
      }),
    );

  for (const [word, summary, more] of LOGIN_COMMANDS) {
    const login = server
      .command(word)
      .summary(summary)
      .argument('<name>', 'name of the server')
      .description(more)
      .addHelpText('after', examples([`dragon server ${word} docs`]))
      .action((name: string, options: LoginOptions, command: Command) =>
        context.managing(command, async (management, globals) => {
          const commands = await import('./login-commands.ts');
          return commands[word](io, globals, management, name, options);
        }),
      );
    if (word === 'login') {
      login
        .option('--client-id <id>', 'the client that you have registered at the authorization server')
        .option('--client-secret <secret>', 'its secret, where it has one');
    }
  }

  program
    .command('import')
    .summary("add the servers of another client's configuration file")
    .description(
      'Add the servers of a configuration file of Claude Desktop, Cursor ("mcpServers") or VS Code ("servers"). Tells what it added and what it could not, and why; exit code 1 where anything could not be added.',
    )
    .argument('<file>', 'the file; - for standard input')
    .addHelpText(
      'after',
      examples([
        'dragon import ~/.cursor/mcp.json',
        'dragon import .vscode/mcp.json',
        'dragon import "$HOME/Library/Application Support/Claude/claude_desktop_config.json"',
      ]),
    )
    .action((file: string, _options: unknown, command: Command) =>
      context.managing(command, async (management, globals) => {
        const { importServers } = await import('./import-command.ts');
        return importServers(io, globals, management, file);
      }),
    );
}

function newServer(name: string, words: readonly string[], options: AddOptions): NewServer {
  const { toolPrefix, disabled, timeout: idleMs, maxTimeout: totalMs, toolTimeout: toolTimeouts } = options;
  const { share: sharedWith } = options;
  const oauth = oauthOf(options);
  if (oauth !== undefined && options.url === undefined)
    throw usageError('--oauth-grant and what goes with it is for servers with a --url');
  return {
    name,
    target: targetOf(words, options),
    timeouts: { ...(idleMs !== undefined && { idleMs }), ...(totalMs !== undefined && { totalMs }) },
    ...(toolTimeouts !== undefined && { toolTimeouts }),
    ...(toolPrefix !== undefined && { toolPrefix }),
    ...(disabled && { enabled: false }),
    ...(sharedWith !== undefined && { sharedWith }),
    ...(oauth !== undefined && { oauth }),
  };
}

function targetOf([program, ...rest]: readonly string[], options: AddOptions): NewTarget {
  const { url, header, env, cwd } = options;
  const ways = [url, options.command, program].filter((way) => way !== undefined);
  if (ways.length !== 1) {
    throw usageError(
      'give one of --url URL, --command "CMD ARGS", or -- CMD ARGS: how the server is reached',
    );
  }
  if (url !== undefined) {
    if (env !== undefined || cwd !== undefined)
      throw usageError('--env and --cwd are for servers with a --command');
    return { kind: 'http', url, headers: header ?? {} };
  }
  if (header !== undefined) throw usageError('--header is for servers with a --url');
  const words =
    program === undefined ? splitCommand(options.command ?? '') : { command: program, args: rest };
  return { kind: 'stdio', ...words, env: env ?? {}, ...(cwd !== undefined && { cwd }) };
}
