import assert from 'node:assert/strict';
import type { Message } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { type Everything, LOGGED, UPDATED } from './everything.ts';
import type { Mark, Pair } from './pair.ts';

/** What server-everything asks and says on its own: roots, updates of resources, log messages. */

/** The server asks for the roots when it likes, and again when they change. */
export async function sameRoots(pair: Pair): Promise<void> {
  const name = 'get-roots-list';
  const [before] = await pair.same('tools/call', { name });
  assert.match(before.result.content[0].text, /file:\/\/\/a/);
  pair.roots = [...pair.roots, { uri: 'file:///b' }];
  const mark = pair.mark;
  await pair.both((client) => client.notify('notifications/roots/list_changed'));
  await pair.untilHeard(mark, 1, ({ method }) => method === 'roots/list', 'roots/list');
  await pair.both((client, side) =>
    until(async () => (await client.request('tools/call', { name })).text.includes('file:///b'), {
      what: `the other root ${side}`,
    }),
  );
  await pair.same('tools/call', { name });
}

/** The server logs each subscription, and each end of one, as information. */
const isOfSubscription = ({ method, params }: Message) =>
  method === LOGGED && /^Received (Uns|S)ubscribe/.test(String(params?.['data']));

export async function sameSubscriptions(pair: Pair, resources: Everything['resources']): Promise<void> {
  const [first, second] = resources.map(({ uri }) => uri);
  const toggle = () => pair.same('tools/call', { name: 'toggle-subscriber-updates' });
  const isUpdate = ({ method }: Message) => method === UPDATED;
  const before = pair.mark;
  await pair.same('resources/subscribe', { uri: first });
  await pair.same('resources/subscribe', { uri: second });
  const started = pair.mark;
  await toggle();
  await pair.untilHeard(started, 2, isUpdate, UPDATED);
  await toggle();
  await pair.same('resources/unsubscribe', { uri: first });
  const again = pair.mark;
  await toggle();
  await pair.untilHeard(again, 1, isUpdate, UPDATED);
  await toggle();
  await pair.same('resources/unsubscribe', { uri: second });
  // The server logs each of the four; all of that has to be over before the next test looks at its log.
  await pair.untilHeard(before, 4, isOfSubscription, LOGGED);
  for (const side of ['direct', 'through'] as const) {
    const updated = (mark: Mark) =>
      pair.heard(side, mark, isUpdate).map(({ message }) => message.params?.['uri']);
    assert.deepEqual(updated(started).slice(0, 2), [first, second], side);
    assert.ok(
      updated(again).every((uri) => uri === second),
      side,
    );
  }
}

export async function sameLogging(pair: Pair, resources: Everything['resources']): Promise<void> {
  const [first, second] = resources.map(({ uri }) => uri);
  const mark = pair.mark;
  await pair.same('logging/setLevel', { level: 'error' });
  await pair.same('resources/subscribe', { uri: first });
  await pair.same('logging/setLevel', { level: 'info' });
  await pair.same('resources/subscribe', { uri: second });
  await pair.untilHeard(mark, 1, isOfSubscription, LOGGED);
  for (const side of ['direct', 'through'] as const) {
    const [told, ...more] = pair.heard(side, mark, isOfSubscription);
    assert.match(String(told?.message.params?.['data']), new RegExp(`URI: ${second} `), side);
    assert.deepEqual(more, []);
  }
  pair.sameHeard(mark, [LOGGED]);
  for (const uri of [first, second]) await pair.same('resources/unsubscribe', { uri });
  await sameSimulatedLogging(pair);
}

/** Messages of a level that the server chooses at random: two servers never say the same, so the form is compared. */
async function sameSimulatedLogging(pair: Pair): Promise<void> {
  const toggle = () => pair.same('tools/call', { name: 'toggle-simulated-logging' });
  const isSimulated = ({ method, params }: Message) =>
    method === LOGGED && /level[- ]message/.test(String(params?.['data']));
  await pair.same('logging/setLevel', { level: 'debug' });
  const mark = pair.mark;
  await toggle();
  await pair.untilHeard(mark, 1, isSimulated, 'simulated logging');
  await toggle();
  for (const side of ['direct', 'through'] as const) {
    for (const { message } of pair.heard(side, mark, isSimulated)) {
      const { level, data, ...more } = message.params ?? {};
      assert.match(String(data), new RegExp(`^${level}[- ]level`, 'i'));
      assert.deepEqual(more, {});
    }
  }
}
