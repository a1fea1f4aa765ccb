import type { Command } from 'commander';
import { ResealSecretsResponseSchema } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { type Context, examples } from './context.ts';
import { ExitCode } from './exit.ts';
import { print } from './io.ts';

/** `dragon keys …`. */
export function addKeyringCommands(program: Command, context: Context): void {
  const keys = program
    .command('keys')
    .summary('change the keys that seal secrets')
    .description(
      'The keys that seal secrets in the database (DRAGON_ENCRYPTION_KEY). API keys are those of `dragon key`.',
    )
    .helpCommand(false)
    .addHelpText('after', examples(['dragon keys rotate']));

  keys
    .command('rotate')
    .summary('seal everything with the first key')
    .description(
      'Seal with the first key of DRAGON_ENCRYPTION_KEY whatever another one has sealed. Put the new key in front of the list on all nodes before, and take the old one out when this has succeeded. For admins of the tenant `default`.',
    )
    .addHelpText('after', examples(['dragon keys rotate']))
    .action((_options: unknown, command: Command) =>
      context.managing(command, async (management, options) => {
        const { messageJson } = await import('./management.ts');
        const response = await management.resealSecrets({});
        const { resealedCount, unreadableCount } = response;
        print(context.io, options, messageJson(ResealSecretsResponseSchema, response), () =>
          unreadableCount === 0n
            ? `Sealed ${resealedCount} secrets anew. Nothing needs the other keys now.`
            : `Sealed ${resealedCount} secrets anew. ${unreadableCount} are sealed with a key that the gateway does not have, and are as they were.`,
        );
        return unreadableCount === 0n ? ExitCode.Ok : ExitCode.Failed;
      }),
    );
}
