import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { LONG_MS, makeSession } from '../../test/support/coordination.ts';
import { FakeConnector, FakeLink, fakeServer, listing, turnsUntil } from '../../test/support/fakes.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import type { SessionStore } from '../coordination/session-store.ts';
import { unavailable } from '../coordination/unavailable.ts';
import type { DownstreamLink, PortableLink } from '../downstream/port.ts';
import { FRESH, type Session } from '../session/session.ts';
import { SessionLinks } from './links.ts';

/** A link in a session that has an id. */
class NamedLink extends FakeLink {
  sessionId = '';

  override get portable(): PortableLink {
    return { sessionId: this.sessionId, handshake: this.handshake };
  }
}

const SERVER = fakeServer('a');

let opened: number;
let stored: SessionStore;
let isAway: boolean;

beforeEach(async () => {
  opened = 0;
  isAway = false;
  stored = createMemoryCoordination({ nodeId: 'n1' }).sessions;
  await stored.create(makeSession({ id: 's1' }), 'n1', LONG_MS);
});

/** Links of the session on one node. */
function startNode() {
  const links: NamedLink[] = [];
  const replaced: DownstreamLink[] = [];
  const connector = new FakeConnector((server, { resume }) => {
    const link = new NamedLink(server, listing({}));
    link.sessionId = resume?.sessionId ?? `opened-${++opened}`;
    links.push(link);
    return link;
  });
  const session = { id: 's1', hello: { capabilities: {} }, state: FRESH } as Partial<Session> as Session;
  const store = new Proxy(stored, {
    get: (target, name: keyof SessionStore) =>
      isAway ? () => Promise.reject(unavailable()) : target[name].bind(target),
  });
  const node = new SessionLinks({
    session,
    store,
    connector,
    listener: () => ({ message: () => {}, restarted: () => {} }),
    prepare: async () => {},
    replaced: (link) => replaced.push(link),
  });
  return { node, links, replaced, current: () => node.peek('a')?.portable?.sessionId };
}

test('a node that had to open its own session while the store was away goes on in the one in force', async () => {
  const [one, other] = [startNode(), startNode()];
  await one.node.get(SERVER);
  isAway = true;
  await other.node.get(SERVER);
  assert.deepEqual([one.current(), other.current()], ['opened-1', 'opened-2']);
  await assert.rejects(other.node.reconcile());
  assert.equal(other.current(), 'opened-2');

  isAway = false;
  await other.node.reconcile();
  assert.equal(other.current(), 'opened-1');
  assert.equal(await other.node.get(SERVER), other.replaced[0]);
  // Calls may be under way in it.
  assert.equal(other.links[0]?.closed, 0);
  other.node.closeIdle(0, () => true);
  await turnsUntil(() => other.links[0]?.closed === 1, 'the end of the replaced one');
  await one.node.reconcile();
  assert.deepEqual([one.current(), one.links.length, one.replaced.length], ['opened-1', 1, 0]);
});

test('a session that was opened while the store was away is written down, and others go on in it', async () => {
  const [one, other] = [startNode(), startNode()];
  isAway = true;
  await one.node.get(SERVER);
  isAway = false;
  await one.node.reconcile();
  assert.equal(one.current(), 'opened-1');
  await other.node.refresh();
  await other.node.get(SERVER);
  assert.equal(other.current(), 'opened-1');
});

test('sessions that were replaced end with the session, and with its stay on the node', async () => {
  for (const end of ['releaseAll', 'closeAll'] as const) {
    const [one, other] = [startNode(), startNode()];
    await one.node.get(SERVER);
    isAway = true;
    await other.node.get(SERVER);
    isAway = false;
    await other.node.reconcile();
    if (end === 'releaseAll') other.node.releaseAll();
    else await other.node.closeAll([], () => SERVER);
    await turnsUntil(() => other.links[0]?.closed === 1, 'the end of the replaced one');
    await stored.dropLink('s1', 'a');
  }
});
