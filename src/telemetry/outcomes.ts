import type { Attributes } from '@opentelemetry/api';
import type { Distribution, Tallies } from './tallies.ts';
import type { Outcome } from './types.ts';

/** Seconds: from an answer out of the process to a tool that works for a minute. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const OUTCOMES: readonly Outcome[] = ['ok', 'tool_error', 'error', 'cancelled', 'denied', 'limited'];

interface Described {
  readonly name: string;
  readonly description: string;
}

/** How often something ended how, and how long it took. */
export interface Outcomes {
  readonly attributes: Attributes;
  record(outcome: Outcome, seconds: number): void;
}

/** Returns what makes the series of one set of attributes. */
export function outcomesOf(
  tallies: Tallies,
  { count, time }: { readonly count: Described; readonly time: Described },
): (attributes: Attributes) => Outcomes {
  const counter = tallies.counter(count);
  const histogram = tallies.histogram(time, 's', DURATION_BUCKETS);
  return (attributes) => {
    const counts = new Map(OUTCOMES.map((outcome) => [outcome, counter({ ...attributes, outcome })]));
    return new Recorder(counts, histogram(attributes));
  };
}

class Recorder implements Outcomes {
  readonly #counts: ReadonlyMap<Outcome, { value: number }>;
  readonly #times: Distribution;

  constructor(counts: ReadonlyMap<Outcome, { value: number }>, times: Distribution) {
    this.#counts = counts;
    this.#times = times;
  }

  get attributes(): Attributes {
    return this.#times.attributes;
  }

  record(outcome: Outcome, seconds: number): void {
    const count = this.#counts.get(outcome);
    if (count !== undefined) count.value++;
    this.#times.record(seconds);
  }
}
