/** What `${…}` in a client's file stands for. */
export interface Variables {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/** A placeholder that has no value here. */
export class UnknownVariable extends Error {}

/**
 * Replaces `${env:NAME}` (Cursor, VS Code), `${NAME}` and `${NAME:-default}` (Claude Code) and `${userHome}` in all
 * strings of a value. Throws {@link UnknownVariable} for any other, such as an input that VS Code would ask for.
 */
export function expandVariables<T>(value: T, variables: Variables): T;
export function expandVariables(value: unknown, variables: Variables): unknown {
  if (typeof value === 'string')
    return value.replace(/\$\{([^}]*)\}/g, (_, name: string) => resolve(name, variables));
  if (Array.isArray(value)) return value.map((item) => expandVariables(item, variables));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, expandVariables(item, variables)]),
  );
}

function resolve(expression: string, { env, home }: Variables): string {
  if (expression === 'userHome') return home;
  const [, name = '', fallback] = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(expression) ?? [];
  const found = name === '' ? undefined : env[name] || fallback;
  if (found !== undefined) return found;
  throw new UnknownVariable(
    name === ''
      ? `only your client knows the value of \${${expression}}; put it in the file or in the environment`
      : `\${${expression}}: ${name} is not set in the environment`,
  );
}
