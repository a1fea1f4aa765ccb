import type { TestContext } from 'node:test';

interface VirtualTimer {
  due: number;
  readonly ms: number;
  readonly run: () => void;
}

/**
 * Replaces setTimeout, clearTimeout and the monotonic clock for one test by such that go on when the test says so.
 * Unlike those of node:test they know `refresh`.
 */
export function virtualTimers(t: TestContext): { pass(ms: number): void; readonly pending: number } {
  const timers = new Set<VirtualTimer>();
  const begin = performance.now();
  let now = 0;
  t.mock.method(performance, 'now', () => begin + now);
  t.mock.method(
    globalThis,
    'setTimeout',
    (run: (...args: unknown[]) => void, ms: number, ...args: unknown[]) => {
      const timer: VirtualTimer = { due: now + ms, ms, run: () => run(...args) };
      timers.add(timer);
      return Object.assign(timer, {
        refresh: () => {
          if (timers.has(timer)) timer.due = now + ms;
        },
        unref: () => timer,
      });
    },
  );
  t.mock.method(globalThis, 'clearTimeout', (timer: VirtualTimer) => timers.delete(timer));
  return {
    pass: (ms) => {
      const until = now + ms;
      for (;;) {
        const [next] = [...timers].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due);
        if (next === undefined) break;
        now = next.due;
        timers.delete(next);
        next.run();
      }
      now = until;
    },
    get pending() {
      return timers.size;
    },
  };
}
