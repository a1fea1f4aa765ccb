import type { Principal } from '../auth/principal.ts';
import { Access } from './access.ts';
import { loadConditions } from './condition.ts';
import { labelOf } from './reading.ts';
import type { PolicySettings, Rule } from './rules.ts';
import { concerns } from './selectors.ts';

/** Who may use what. Decides in memory, without asking anybody. */
export class Policy {
  readonly default: PolicySettings['default'];
  readonly #rules: readonly Rule[];
  /** By whoever makes requests: authentication gives the same object for the same credential. */
  readonly #known = new WeakMap<Principal, { readonly access: Access | undefined }>();

  private constructor(settings: PolicySettings, rules: readonly Rule[]) {
    this.default = settings.default;
    this.#rules = rules;
  }

  /** Rejects with SyntaxError, naming the rule, where a condition is none. */
  static async of(settings: PolicySettings): Promise<Policy> {
    const hasConditions = settings.rules.some(({ when }) => when !== undefined);
    const read = hasConditions ? await loadConditions() : undefined;
    const rules = settings.rules.map((rule, index): Rule => {
      const label = labelOf(rule, index);
      if (rule.when === undefined || read === undefined) return { ...rule, label };
      try {
        return { ...rule, label, condition: read(rule.when) };
      } catch (error) {
        throw new SyntaxError(`${label}, when: ${error instanceof Error ? error.message : error}`);
      }
    });
    return new Policy(settings, rules);
  }

  /** What somebody may use; undefined: everything. */
  accessOf(principal: Principal): Access | undefined {
    const known = this.#known.get(principal);
    if (known !== undefined) return known.access;
    const access = this.#accessOf(principal);
    this.#known.set(principal, { access });
    return access;
  }

  #accessOf(principal: Principal): Access | undefined {
    const rules = this.#rules.filter((rule) => concerns(rule, principal));
    const mayAll = this.default === 'allow' && rules.every(({ effect }) => effect === 'allow');
    return mayAll ? undefined : new Access(principal, rules, this.default);
  }
}
