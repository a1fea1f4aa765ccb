type Hint = 'readOnly' | 'destructive' | 'idempotent' | 'openWorld';

export type Hints = Readonly<Record<Hint, boolean>>;

/**
 * What a tool says of itself, with what MCP takes a tool for that says nothing: one that changes things, destroys some, and
 * reaches out into the world (2025-11-25, ToolAnnotations). Whatever is no boolean says nothing.
 */
export function hintsOf(annotations: unknown): Hints {
  const says = (name: string): unknown =>
    typeof annotations === 'object' && annotations !== null && Object.hasOwn(annotations, name)
      ? Reflect.get(annotations, name)
      : undefined;
  const readOnly = says('readOnlyHint') === true;
  return {
    readOnly,
    destructive: !readOnly && says('destructiveHint') !== false,
    idempotent: says('idempotentHint') === true,
    openWorld: says('openWorldHint') !== false,
  };
}
