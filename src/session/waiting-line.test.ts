import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Place, WaitingLine } from './waiting-line.ts';

test('those who wait long enough are taken out once, in order, but for those who have left', () => {
  const step = fc.oneof(
    fc.constant('come' as const),
    fc.record({ leaves: fc.nat({ max: 20 }) }),
    fc.record({ until: fc.nat({ max: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const line = new WaitingLine<number>();
      const places: Place<number>[] = [];
      let expected: number[] = [];
      for (const [now, what] of steps.entries()) {
        if (what === 'come') {
          places.push(line.add(now, now));
          expected.push(now);
        } else if ('leaves' in what) {
          const place = places[what.leaves];
          if (place === undefined) continue;
          expected = expected.filter((item) => item !== place.item);
          place.item = undefined;
        } else {
          const { until } = what;
          assert.deepEqual(
            line.takeUntil(until),
            expected.filter((item) => item <= until),
          );
          expected = expected.filter((item) => item > until);
          assert.equal(line.isEmpty, expected.length === 0);
        }
      }
    }),
  );
});
