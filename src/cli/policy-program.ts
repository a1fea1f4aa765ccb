import type { Command } from 'commander';
import { type Context, examples, globals } from './context.ts';
import { usageError } from './exit.ts';
import type { TestOptions } from './policy-options.ts';

const FILE = ['--file <path>', 'the policy (default: what DRAGON_POLICY says)'] as const;

/** `dragon policy …`. */
export function addPolicyCommands(program: Command, context: Context): void {
  const { io } = context;
  const policy = program
    .command('policy')
    .summary('check and try out a policy')
    .description('Who may use what (DRAGON_POLICY), looked at without a gateway.')
    .helpCommand(false)
    .addHelpText(
      'after',
      examples([
        'dragon policy check --file policy.json',
        'dragon policy test --file policy.json --user ada --role support --server github --tool delete_repository',
      ]),
    );

  policy
    .command('check')
    .summary('say whether a policy can be read')
    .description('Read a policy, conditions included, and say what is wrong with it.')
    .option(...FILE)
    .addHelpText('after', examples(['dragon policy check --file policy.json']))
    .action(async ({ file }: { file?: string }, command: Command) => {
      const { checkPolicy } = await import('./policy-commands.ts');
      context.exitCode = await checkPolicy(io, globals(command), file);
    });

  policy
    .command('test')
    .summary('say what a policy decides, and by which rule')
    .description(
      'Say whether somebody may use something, and which rule says so. Exit code 0: allowed, 1: denied. A tool that gives no hints counts as one that changes and destroys, as MCP has it.',
    )
    .option(...FILE)
    .requiredOption('--user <id>', 'who')
    .option('--tenant <id>', 'of which tenant', 'default')
    .option('--role <name>', 'a role of the user, beside `user`; repeatable', collect, [])
    .requiredOption('--server <name>', 'name of the server')
    .option('--tool <name>', "a tool, by the server's own name for it")
    .option('--prompt <name>', 'a prompt')
    .option('--resource <uri>', 'a resource, or a template')
    .option(
      '--hint <name>',
      'what the tool says of itself, such as readOnlyHint or destructiveHint=false; repeatable',
      collect,
      [],
    )
    .option('--args <json>', 'arguments of the call, for rules with conditions')
    .addHelpText(
      'after',
      examples([
        'dragon policy test --user ada --server github --tool list_issues --hint readOnlyHint',
        `dragon policy test --user ada --server bank --tool pay --args '{"amount": 100}'`,
      ]),
    )
    .action(async (options: TestOptions, command: Command) => {
      const named = [options.tool, options.prompt, options.resource].filter((name) => name !== undefined);
      if (named.length !== 1) throw usageError('expected one of --tool, --prompt and --resource');
      const { testPolicy } = await import('./policy-commands.ts');
      context.exitCode = await testPolicy(io, globals(command), options);
    });
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}
