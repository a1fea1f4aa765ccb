import assert from 'node:assert/strict';
import { Gateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

/** What lives in a gateway at one time. */
export interface Census {
  /** Bytes of V8's heap after a collection. */
  readonly heapUsed: number;
  /** Handles, requests and timers that keep the process going. */
  readonly resources: number;
  /** Objects by the name of their constructor. */
  readonly objects: Readonly<Record<string, number>>;
}

/** Objects of one kind that may be there more than before: what is compiled or cached on the way. */
const TOLERANCE = 100;

/** The same for what everything is made of. */
export const COMMON: ReadonlySet<string> = new Set([
  '(closure)',
  'Object',
  'Array',
  'system / Context',
  'Promise',
  'Map',
  'Set',
]);
const NOTHING: ReadonlySet<string> = new Set();

const COMMON_TOLERANCE = 300;

/** Bytes that the heap may have grown by. */
const HEAP_TOLERANCE = 4_000_000;

const RESOURCE_TOLERANCE = 5;

/** A gateway that can be told to count what lives in it. */
export function startObserved(env: Readonly<Record<string, string>> = {}): Promise<Gateway> {
  const observer = new URL('./observer.ts', import.meta.url).href;
  // A thousand calls at once are what these tests are about, and not to be refused because the machine is slow. The events of
  // ten thousand calls take an embedded database longer than the calls.
  const unhurried = { DRAGON_MAX_TURN_MS: '0', DRAGON_EVENTS: 'off' };
  return Gateway.start({ env: { ...unhurried, ...env, NODE_OPTIONS: `--expose-gc --import ${observer}` } });
}

/** What lives once that has gone which was to go: a timer or a socket has a second to live after its time. */
export async function takeCensus(gateway: Gateway): Promise<Census> {
  let last = await count(gateway);
  for (let again = 0; again < 5; again++) {
    const now = await count(gateway);
    if (grown(now, last).length === 0) return now;
    last = now;
  }
  return last;
}

async function count(gateway: Gateway): Promise<Census> {
  const seen = gateway.logged('census').length;
  gateway.process.kill('SIGUSR2');
  await until(() => gateway.logged('census').length > seen, { what: 'a census', timeoutMs: 60_000 });
  return gateway.logged('census').at(-1) as unknown as Census;
}

/**
 * Waits until nothing lives that did not live before, but for what is named in `except`. Fails with what there is too
 * much of.
 */
export async function assertNothingLeft(
  gateway: Gateway,
  before: Census,
  except: ReadonlySet<string> = NOTHING,
): Promise<Census> {
  let now = await count(gateway);
  for (let again = 0; again < 5 && grown(before, now, except).length > 0; again++) now = await count(gateway);
  assert.deepEqual(grown(before, now, except), []);
  assert.doesNotMatch(gateway.output, /MaxListenersExceededWarning/);
  return now;
}

/** For whoever reads the figures. */
export function difference(before: Census, now: Census): string {
  const heap = `${(before.heapUsed / 1e6).toFixed(2)} → ${(now.heapUsed / 1e6).toFixed(2)} MB`;
  return `heap ${heap}, active resources ${before.resources} → ${now.resources}`;
}

function grown(before: Census, now: Census, except = NOTHING): string[] {
  const more = Object.entries(now.objects).filter(
    ([name, count]) =>
      !except.has(name) &&
      count - (before.objects[name] ?? 0) > (COMMON.has(name) ? COMMON_TOLERANCE : TOLERANCE),
  );
  const found = more.map(([name, count]) => `${name}: ${before.objects[name] ?? 0} → ${count}`);
  if (now.heapUsed - before.heapUsed > HEAP_TOLERANCE)
    found.push(`bytes of heap: ${before.heapUsed} → ${now.heapUsed}`);
  if (now.resources - before.resources > RESOURCE_TOLERANCE)
    found.push(`active resources: ${before.resources} → ${now.resources}`);
  return found;
}
