import { rolesOf } from '../auth/principal.ts';
import { type PolicySource, readPolicySource } from '../config/rule-sources.ts';
import { loadConfig } from '../config.ts';
import { type Asked, explain } from '../policy/explain.ts';
import { Policy } from '../policy/policy.ts';
import { CliError, ExitCode, usageError } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import type { TestOptions } from './policy-options.ts';

const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'];

export async function checkPolicy(
  io: Io,
  globals: GlobalOptions,
  file: string | undefined,
): Promise<ExitCode> {
  const { settings } = sourceOf(io, file);
  await readable(settings);
  const count = settings.rules.length;
  print(
    io,
    globals,
    { ok: true, rules: count, default: settings.default },
    () =>
      `The policy is right: ${count} ${count === 1 ? 'rule' : 'rules'}, and without one that matches: ${settings.default}.\n`,
  );
  return ExitCode.Ok;
}

export async function testPolicy(io: Io, globals: GlobalOptions, options: TestOptions): Promise<ExitCode> {
  const { settings } = sourceOf(io, options.file);
  const policy = await readable(settings);
  const { user: userId, tenant: tenantId, server: name } = options;
  const principal = { tenantId, userId, roles: rolesOf(options.role) };
  const { effect, rule } = explain(policy, principal, { name, isBuiltin: false }, askedIn(options));
  const by = rule?.label ?? `the default, since no rule matches`;
  print(io, globals, { effect, rule: rule?.label ?? null }, () => `${effect}: ${by}\n`);
  return effect === 'allow' ? ExitCode.Ok : ExitCode.Failed;
}

function sourceOf(io: Io, file: string | undefined): PolicySource {
  if (file === undefined) {
    const { policy } = loadConfig(io.env);
    if (policy === undefined) throw usageError('DRAGON_POLICY is not set; name the policy with --file');
    return policy;
  }
  const read = readPolicySource(file);
  if ('problem' in read) throw new CliError(read.problem, ExitCode.Usage);
  return read;
}

async function readable(settings: PolicySource['settings']): Promise<Policy> {
  try {
    return await Policy.of(settings);
  } catch (error) {
    throw error instanceof SyntaxError ? new CliError(error.message, ExitCode.Usage) : error;
  }
}

function askedIn({ tool, prompt, resource, hint, args }: TestOptions): Asked {
  if (tool !== undefined)
    return { kind: 'tool', name: tool, annotations: annotationsIn(hint), args: argumentsIn(args) };
  return prompt === undefined ? { kind: 'resource', name: resource ?? '' } : { kind: 'prompt', name: prompt };
}

function annotationsIn(hints: readonly string[]): Readonly<Record<string, boolean>> {
  return Object.fromEntries(
    hints.map((text) => {
      const [name = '', value = 'true', ...rest] = text.split('=');
      if (!HINTS.includes(name) || !['true', 'false'].includes(value) || rest.length > 0)
        throw usageError(`--hint: expected one of ${HINTS.join(', ')}, and =true or =false behind it`);
      return [name, value === 'true'];
    }),
  );
}

function argumentsIn(text = '{}'): unknown {
  let args: unknown;
  try {
    args = JSON.parse(text);
  } catch {
    args = undefined;
  }
  if (typeof args !== 'object' || args === null || Array.isArray(args))
    throw usageError('--args: expected a JSON object');
  return args;
}
