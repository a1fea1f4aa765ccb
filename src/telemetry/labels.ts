import type { Outcome } from './types.ts';

/** Attribute sets made once, so that recording makes none. */
interface Label {
  readonly alone: Readonly<Record<string, string>>;
  readonly by: Readonly<Record<Outcome, Readonly<Record<string, string>>>>;
}

export interface Labels {
  /** The label of a value, or of `other` where the value is unknown or one too many. */
  of(value: string): Label;
}

/** Values come from outside, and each makes new series: so they are the known ones, or as many as `max`. */
export type LabelBound = { readonly known: readonly string[] } | { readonly max: number };

/** `more`: labels that all of them have besides. */
export function createLabels(
  name: string,
  bound: LabelBound,
  more: Readonly<Record<string, string>> = {},
): Labels {
  const labels = new Map<string, Label>();
  const other = createLabel(name, 'other', more);
  if ('known' in bound) for (const value of bound.known) labels.set(value, createLabel(name, value, more));
  const room = 'max' in bound ? bound.max : 0;
  return {
    of(value) {
      const found = labels.get(value);
      if (found !== undefined) return found;
      if (labels.size >= room) return other;
      const label = createLabel(name, value, more);
      labels.set(value, label);
      return label;
    },
  };
}

function createLabel(name: string, value: string, more: Readonly<Record<string, string>>): Label {
  const by = (outcome: Outcome) => Object.freeze({ [name]: value, ...more, outcome });
  return {
    alone: Object.freeze({ [name]: value, ...more }),
    by: Object.freeze({
      ok: by('ok'),
      tool_error: by('tool_error'),
      error: by('error'),
      cancelled: by('cancelled'),
    }),
  };
}
