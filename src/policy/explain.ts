import type { Principal } from '../auth/principal.ts';
import type { RuledServer, Settled } from './access.ts';
import type { Policy } from './policy.ts';

/** What somebody wants to use. */
export type Asked =
  | { readonly kind: 'tool'; readonly name: string; readonly annotations: unknown; readonly args: unknown }
  | { readonly kind: 'prompt' | 'resource'; readonly name: string };

/** What a policy says, and the rule that decides; without one it is the default. */
export function explain(policy: Policy, principal: Principal, server: RuledServer, asked: Asked): Settled {
  const access = policy.accessOf(principal);
  if (access === undefined) return { effect: 'allow', rule: undefined };
  switch (asked.kind) {
    case 'tool': {
      const { name, annotations, args } = asked;
      return access.settle(access.tool(server, name, annotations), server, name, args);
    }
    case 'prompt':
      return access.prompt(server, asked.name);
    case 'resource':
      return access.resource(server, asked.name);
  }
}
