import type { Principal } from '../auth/principal.ts';
import { globMatches } from '../protocol/glob.ts';
import { type Hints, hintsOf } from './hints.ts';
import type { PolicySettings, Rule } from './rules.ts';
import { uriForms } from './uri-forms.ts';

/** A server as rules look at it. */
export interface RuledServer {
  readonly name: string;
  /** The gateway's own tools: what these say of themselves is not judged, since the one that calls others is judged by those. */
  readonly isBuiltin: boolean;
}

/** What a policy says of one thing. */
export type Verdict =
  | { readonly effect: 'allow' | 'deny'; readonly rule: Rule | undefined }
  /** It depends on the arguments of the call. Where no condition is met, `otherwise` holds. */
  | { readonly effect: 'depends'; readonly rules: readonly Rule[]; readonly otherwise: Settled };

export type Settled = Exclude<Verdict, { effect: 'depends' }>;

type Effect = PolicySettings['default'];

/** What one principal may use: a deny that matches wins over every allow, an allow over the default. */
export class Access {
  /** The same for all of one owner's principals that may use the same. */
  readonly key: string;
  readonly #principal: Principal;
  readonly #rules: readonly Rule[];
  readonly #default: Effect;

  /** `rules`: those that concern the principal. */
  constructor(principal: Principal, rules: readonly Rule[], byDefault: Effect) {
    this.#principal = principal;
    this.#rules = rules;
    this.#default = byDefault;
    // Conditions can look at roles, too.
    const roles = rules.some(({ condition }) => condition !== undefined) ? principal.roles : [];
    this.key = JSON.stringify([rules.map(({ label }) => label), roles]);
  }

  /** Whether anything of a server may be used, as far as can be said without looking at what it has. */
  server(server: RuledServer): boolean {
    let may = this.#default === 'allow';
    for (const rule of this.#rules) {
      if (!isOfServer(rule, server)) continue;
      if (rule.effect === 'allow') may = true;
      else if (isWhole(rule)) return false;
    }
    return may;
  }

  tool(server: RuledServer, name: string, annotations: unknown): Verdict {
    const hints = server.isBuiltin ? undefined : hintsOf(annotations);
    return this.#judge(server, (rule) => isOfTool(rule, name, hints));
  }

  prompt(server: RuledServer, name: string): Settled {
    return settled(
      this.#judge(server, (rule) => !isOfToolsOnly(rule) && matches(rule, 'prompts', [name]) !== 'none'),
    );
  }

  /** A resource by its URI, or a template by its text. */
  resource(server: RuledServer, uri: string): Settled {
    const forms = uriForms(uri);
    return settled(
      this.#judge(server, (rule) => {
        if (isOfToolsOnly(rule)) return false;
        const found = matches(rule, 'resources', forms);
        return found === 'all' || (found === 'some' && rule.effect === 'deny');
      }),
    );
  }

  /** What comes of a verdict that depends on the arguments, for these. */
  settle(verdict: Verdict, server: RuledServer, tool: string, args: unknown): Settled {
    if (verdict.effect !== 'depends') return verdict;
    const { tenantId: tenant, userId: user, roles } = this.#principal;
    const facts = { tenant, user, roles, server: server.name, tool, args };
    let found: Settled | undefined;
    for (const rule of verdict.rules) {
      const isMet = rule.condition?.(facts);
      // A condition that comes to no answer denies, and does not allow.
      if (rule.effect === 'deny' && isMet !== false) return { effect: 'deny', rule };
      if (rule.effect === 'allow' && isMet === true) found ??= { effect: 'allow', rule };
    }
    return found ?? verdict.otherwise;
  }

  #judge(server: RuledServer, isOf: (rule: Rule) => boolean): Verdict {
    let otherwise: Settled = { effect: this.#default, rule: undefined };
    const conditional: Rule[] = [];
    for (const rule of this.#rules) {
      if (!isOfServer(rule, server) || !isOf(rule)) continue;
      if (rule.condition !== undefined) conditional.push(rule);
      else if (rule.effect === 'deny') return { effect: 'deny', rule };
      else if (otherwise.rule === undefined) otherwise = { effect: 'allow', rule };
    }
    const decides = conditional.some(({ effect }) => effect !== otherwise.effect);
    return decides ? { effect: 'depends', rules: conditional, otherwise } : otherwise;
  }
}

function isOfServer({ servers }: Rule, { name }: RuledServer): boolean {
  return servers === undefined || servers.some((pattern) => globMatches(pattern, name));
}

const KINDS = ['tools', 'prompts', 'resources'] as const;
type Kind = (typeof KINDS)[number];

function isOfToolsOnly({ annotations, when }: Rule): boolean {
  return annotations !== undefined || when !== undefined;
}

/** Whether a rule is of all that a server has. */
function isWhole(rule: Rule): boolean {
  return !isOfToolsOnly(rule) && KINDS.every((kind) => rule[kind] === undefined);
}

function isOfTool(rule: Rule, name: string, hints: Hints | undefined): boolean {
  if (matches(rule, 'tools', [name]) === 'none') return false;
  if (rule.annotations === undefined) return true;
  if (hints === undefined) return false;
  return Object.entries(rule.annotations).every(
    ([hint, wanted]) => wanted === undefined || hints[hint as keyof Hints] === wanted,
  );
}

/** How many of the forms of a name a rule is of. One that names no kind at all is of every kind. */
function matches(rule: Rule, kind: Kind, forms: readonly string[]): 'all' | 'some' | 'none' {
  const patterns = rule[kind];
  if (patterns === undefined) return KINDS.every((each) => rule[each] === undefined) ? 'all' : 'none';
  const count = forms.filter((form) => patterns.some((pattern) => globMatches(pattern, form))).length;
  return count === forms.length ? 'all' : count === 0 ? 'none' : 'some';
}

/** Rules with conditions are of tools alone. */
function settled(verdict: Verdict): Settled {
  return verdict.effect === 'depends' ? verdict.otherwise : verdict;
}
