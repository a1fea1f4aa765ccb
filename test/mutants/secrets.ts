import type { Mutant } from './mutant.ts';

const SEALED = 'what is sealed is in the database as nothing else, and opens nowhere else';
const LOGGED = 'no secret is in the log';
const PROCESSES = "processes see nothing of the gateway's, and tell nothing of their own";
const FORWARDED = 'what a client shows the gateway is sent to no server';

const redact = 'src/telemetry/redact.test.ts';

/** Secrets stay secret. */
export const SECRETS: readonly Mutant[] = [
  {
    promise: SEALED,
    name: 'what is sealed is bound to nothing',
    file: 'src/db/seal.ts',
    find: "JSON.stringify(['dragon', VERSION, owner.tenantId, owner.userId, serverId, field])",
    replace: "'dragon'",
    test: 'src/db/seal.test.ts',
    only: 'does not open for',
  },
  {
    promise: SEALED,
    name: 'headers are stored as they are',
    file: 'src/db/server-row.ts',
    find: 'sealer.seal(JSON.stringify(secrets), place)',
    replace: 'JSON.stringify(secrets)',
    test: 'test/contract/db-servers.test.ts',
    only: '^servers, embedded with secrets show them nowhere',
  },
  {
    promise: SEALED,
    name: 'tokens are stored as they are',
    file: 'src/db/login-repository.ts',
    find: 'return this.#sealer.seal(JSON.stringify(value), place);',
    replace: 'return JSON.stringify(value);',
    test: 'test/contract/db-logins.test.ts',
    only: 'in PostgreSQL keeps secrets sealed',
  },
  {
    promise: LOGGED,
    name: 'names of secrets are not looked at',
    file: 'src/telemetry/redact.ts',
    find: 'if (SECRET_NAME.test(name) && !HARMLESS_NAME.test(name)) return MASK;',
    replace: '',
    test: redact,
    only: 'secrets are masked by their name',
  },
  {
    promise: LOGGED,
    name: 'headers and variables are logged with their values',
    file: 'src/telemetry/redact.ts',
    find: 'if (SECRET_SET.test(name)) return maskValues(value);',
    replace: '',
    test: redact,
    only: 'of headers and environments',
  },
  {
    promise: LOGGED,
    name: 'secrets are not looked for in text',
    file: 'src/telemetry/redact.ts',
    find: 'for (const [pattern, replacement] of IN_TEXT) result = result.replace(pattern, replacement);',
    replace: '',
    test: redact,
    only: 'secrets in text are masked',
  },
  {
    promise: LOGGED,
    name: 'lines of the log are written as they come',
    file: 'src/telemetry/logger.ts',
    find: 'else this.#pino[level](redact(fields), scrub(message));',
    replace: 'else this.#pino[level](fields, message);',
    test: 'src/telemetry/logger.test.ts',
  },
  {
    promise: LOGGED,
    name: 'credentials that are refused are logged',
    file: 'src/edge/mcp-handler.ts',
    find: 'const error = this.#options.known(thrown);\n    const wire',
    replace:
      'process.stdout.write(`${request.headers.authorization}\\n`);\n    const error = this.#options.known(thrown);\n    const wire',
    test: 'test/security/authentication.test.ts',
    only: 'authentication tokens|nothing secret is logged',
  },
  {
    promise: LOGGED,
    name: 'what is recorded is kept with its secrets',
    file: 'src/recording/body.ts',
    find: "redact({ value: unfolded(value, 0) })['value']",
    replace: 'unfolded(value, 0)',
    test: 'src/recording/body.test.ts',
    only: 'secrets are masked by name and by form',
  },
  {
    promise: LOGGED,
    name: 'arguments are kept in events with their secrets',
    file: 'src/events/entry.ts',
    find: 'redact({ arguments: args })',
    replace: '{ arguments: args }',
    test: 'src/events/entry.test.ts',
    only: 'of arguments is kept what was asked for',
  },
  {
    promise: 'errors tell nothing of what is inside',
    name: 'what nobody expected is told as it is',
    file: 'src/protocol/errors.ts',
    find: "return new GatewayError(Code.Internal, 'Internal error', { cause: thrown });",
    replace: 'return new GatewayError(Code.Internal, String(thrown), { cause: thrown });',
    test: 'src/protocol/errors.test.ts',
    only: 'what is thrown unknown',
  },
  {
    promise: PROCESSES,
    name: "processes have the gateway's environment",
    file: 'src/downstream/stdio-process.ts',
    find: 'env: { ...getDefaultEnvironment(), ...target.env },',
    replace: 'env: { ...process.env, ...target.env },',
    test: 'test/e2e/processes.test.ts',
    only: 'see nothing of the gateway',
  },
  {
    promise: PROCESSES,
    name: 'what processes print is logged as it comes',
    file: 'src/downstream/stdio-server.ts',
    find: "if (value.length >= 4) redacted = redacted.replaceAll(value, '***');",
    replace: '',
    test: 'test/e2e/processes.test.ts',
    only: 'have what they print logged, without their secrets',
  },
  {
    promise: FORWARDED,
    name: "all headers of a client's go to servers",
    file: 'src/protocol/modern/param-headers.ts',
    find: '!name.startsWith(PREFIX) || declared.some(({ key }) => key === name)',
    replace: 'declared.some(({ key }) => key === name)',
    test: 'test/security/authentication.test.ts',
    only: 'what clients send to be known goes to no server',
  },
];
