import { type CallsRound, LOADS } from './calls.ts';
import type { Way } from './case.ts';
import type { ForwardingRound, MessageCost } from './forwarding.ts';
import { ratios, type Spread } from './statistics.ts';

/** How much more a message may cost in a larger cluster than in the smallest: as good as nothing, and noise. */
const FORWARDING_LIMIT = 1.2;

/** How much more CPU time a call may cost where its session's requests go to all nodes in turn. */
const ROUND_ROBIN_LIMIT = 1.1;

/** Something that the cluster owes, and what came of it. */
export interface Bound {
  readonly what: string;
  readonly limit: number;
  /** Over the rounds; undefined where it could not be measured. */
  readonly ratio: Spread | undefined;
}

/** Whether a bound held in the median of its rounds; undefined where that is not known. */
export function held({ ratio, limit }: Bound): boolean | undefined {
  return ratio === undefined ? undefined : ratio.median <= limit;
}

const KINDS = { message: 'a forwarded message', event: 'an event' } as const;

/** What of a message's cost may not grow with the nodes. */
const COSTS: Readonly<Record<string, (cost: MessageCost) => number>> = {
  'CPU time': ({ redisCpu, nodesCpu }) => redisCpu + nodesCpu,
  'CPU time of Redis': ({ redisCpu }) => redisCpu,
  'latency (p50)': ({ p50 }) => p50,
};

const LOAD_NAMES = { steady: 'steady load', full: 'full load' } as const;

export function forwardingBounds(rounds: readonly ForwardingRound[]): Bound[] {
  const sizes = rounds[0]!.samples.map(({ size }) => size);
  const [smallest, ...larger] = sizes.keys();
  return (['message', 'event'] as const).flatMap((kind) =>
    larger.flatMap((place) =>
      Object.entries(COSTS).map(([cost, of]) => {
        const at = (index: number) => rounds.map(({ samples }) => of(samples[index]![kind]));
        return {
          what: `${cost} of ${KINDS[kind]}, ${sizes[place]} nodes ÷ ${sizes[smallest!]}`,
          limit: FORWARDING_LIMIT,
          ratio: ratios(at(place), at(smallest!)),
        };
      }),
    ),
  );
}

export function callsBounds(rounds: readonly CallsRound[]): Bound[] {
  const counts = new Set(rounds[0]!.samples.map(({ nodes }) => nodes));
  counts.delete(1);
  return [...counts].flatMap((nodes) =>
    LOADS.map((load) => {
      const cpuOf = (way: Way) =>
        known(
          rounds.map(({ samples }) => {
            return samples.find((sample) => sample.nodes === nodes && sample.way === way)?.[load].cpuMs;
          }),
        );
      const [inTurn, sticky] = [cpuOf('round-robin'), cpuOf('sticky')];
      return {
        what: `CPU time of a call, to ${nodes} nodes in turn ÷ to one of them, ${LOAD_NAMES[load]}`,
        limit: ROUND_ROBIN_LIMIT,
        ratio: inTurn && sticky && ratios(inTurn, sticky),
      };
    }),
  );
}

/** Undefined where one is. */
function known(numbers: readonly (number | undefined)[]): number[] | undefined {
  return numbers.every((number) => number !== undefined) ? [...numbers] : undefined;
}
