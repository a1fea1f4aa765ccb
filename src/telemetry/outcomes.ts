import type { Attributes } from '@opentelemetry/api';
import type { Count, Description, Distribution, Tallies } from './tallies.ts';
import type { Outcome } from './types.ts';

/** Seconds: from an answer out of the process to a tool that works for a minute. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Returns what makes the series of one set of attributes; those of an outcome are made when there is the first. */
export function countsOf(tallies: Tallies, about: Description): (attributes: Attributes) => OutcomeCounts {
  const counter = tallies.counter(about);
  return (attributes) => new OutcomeCounts((outcome) => counter({ ...attributes, outcome }));
}

/** The same for how long it took. What failed has `error.type`, as OpenTelemetry's conventions have it. */
export function timesOf(tallies: Tallies, about: Description): (attributes: Attributes) => OutcomeTimes {
  const histogram = tallies.histogram({ ...about, unit: 's' }, DURATION_BUCKETS);
  return (attributes) =>
    new OutcomeTimes((outcome) =>
      histogram(outcome === 'ok' ? attributes : { ...attributes, 'error.type': outcome }),
    );
}

class Made<T> {
  readonly #make: (outcome: Outcome) => T;
  readonly #made = new Map<Outcome, T>();

  constructor(make: (outcome: Outcome) => T) {
    this.#make = make;
  }

  of(outcome: Outcome): T {
    const known = this.#made.get(outcome);
    if (known !== undefined) return known;
    const made = this.#make(outcome);
    this.#made.set(outcome, made);
    return made;
  }
}

export class OutcomeCounts {
  readonly #counts: Made<Count>;

  constructor(make: (outcome: Outcome) => Count) {
    this.#counts = new Made(make);
  }

  count(outcome: Outcome): void {
    this.#counts.of(outcome).value++;
  }
}

export class OutcomeTimes {
  readonly #times: Made<Distribution>;

  constructor(make: (outcome: Outcome) => Distribution) {
    this.#times = new Made(make);
  }

  record(outcome: Outcome, seconds: number): void {
    this.#times.of(outcome).record(seconds);
  }
}

/** How often something ended how, and how long it took. */
export class CountedTimes {
  readonly #counts: OutcomeCounts;
  readonly #times: OutcomeTimes;

  constructor(counts: OutcomeCounts, times: OutcomeTimes) {
    this.#counts = counts;
    this.#times = times;
  }

  record(outcome: Outcome, seconds: number): void {
    this.#counts.count(outcome);
    this.#times.record(outcome, seconds);
  }
}
