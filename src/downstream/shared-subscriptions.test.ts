import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage } from '../protocol/envelope.ts';
import type { SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import type { SubscriptionListener } from './modern-port.ts';
import { SharedSubscriptions } from './shared-subscriptions.ts';

const NOTHING: SubscriptionFilter = {
  toolsListChanged: false,
  promptsListChanged: false,
  resourcesListChanged: false,
  resourceSubscriptions: [],
  taskIds: [],
};
const TOOLS = { ...NOTHING, toolsListChanged: true };
const NEWS = parseMessage('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}', 9);

/** Subscriptions at a server that says what the test makes it say. */
function server() {
  const open: {
    readonly filter: SubscriptionFilter;
    readonly says: SubscriptionListener;
    stopped: boolean;
  }[] = [];
  const shared = new SharedSubscriptions((filter, says) => {
    const opened = { filter, says, stopped: false };
    open.push(opened);
    return () => {
      opened.stopped = true;
    };
  });
  return { open, shared };
}

function listener() {
  const heard: string[] = [];
  const note = (what: string) => () => void heard.push(what);
  const said = { message: note('message'), restarted: note('restarted'), ended: note('ended') };
  return { heard, says: { acknowledged: note('acknowledged'), ...said } };
}

test('what several ask for is asked for once, and told to each', async () => {
  const { open, shared } = server();
  const [one, other, late] = [listener(), listener(), listener()];
  const stops = [one, other].map(({ says }) => shared.listen({ ...TOOLS }, says));
  assert.equal(open.length, 1);
  open[0]!.says.acknowledged(TOOLS);
  stops.push(shared.listen(TOOLS, late.says));
  await Promise.resolve();
  open[0]!.says.message(NEWS);
  open[0]!.says.restarted();
  for (const { heard } of [one, other, late])
    assert.deepEqual(heard, ['acknowledged', 'message', 'restarted']);

  stops[0]!();
  stops[0]!();
  stops[1]!();
  open[0]!.says.message(NEWS);
  assert.equal(open[0]!.stopped, false);
  assert.deepEqual([one.heard.length, late.heard.length], [3, 4]);
  stops[2]!();
  assert.equal(open[0]!.stopped, true);
  shared.listen(TOOLS, one.says);
  assert.equal(open.length, 2);
});

test('other news are another subscription, and one that the server ends is opened anew', () => {
  const { open, shared } = server();
  const [one, other] = [listener(), listener()];
  const stop = shared.listen(TOOLS, one.says);
  shared.listen({ ...TOOLS, resourceSubscriptions: ['r://1'] }, other.says);
  assert.equal(open.length, 2);
  open[0]!.says.ended(undefined);
  assert.deepEqual([one.heard, other.heard], [['ended'], []]);
  shared.listen(TOOLS, one.says);
  assert.equal(open.length, 3);
  stop();
  assert.equal(open[2]!.stopped, false);
});
