import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { markOf } from '../../src/coordination/session-mark.ts';
import type { EndedSession, StoredSession } from '../../src/coordination/session-store.ts';
import { isSessionGone, LONG_MS, makeLink, makeSession, uniqueId } from '../support/coordination.ts';
import { append, logged, take } from '../support/streams.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function sessionContract(makeNode: MakeNode): void {
  describe('sessions', () => {
    test('a session opened on one node is known to another', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const session = makeSession();
      await a.sessions.create(session, a.nodeId, LONG_MS);
      const loaded = await b.sessions.load(session.id, b.nodeId, LONG_MS);
      assert.deepEqual(loaded, { session, logLevel: undefined, links: [], subscriptions: {} });
      const nodes = await a.sessions.nodesOf(session.id);
      assert.deepEqual([...nodes].sort(), [a.nodeId, b.nodeId].sort());
    });

    test('looking at a session does not make one of its nodes', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const session = makeSession();
      await a.sessions.create(session, a.nodeId, LONG_MS);
      assert.deepEqual((await b.sessions.peek(session.id))?.session, session);
      assert.deepEqual(await a.sessions.nodesOf(session.id), [a.nodeId]);
    });

    test('a session that is not there is not made by what is done to it', async () => {
      const a = await makeNode(uniqueId('a'));
      const { sessions, streams } = a;
      const id = uniqueId('session');
      await sessions.setLogLevel(id, 'info');
      await sessions.setSubscription(id, 'files', 'file:///a', true);
      await sessions.setSubscription(id, 'files', 'file:///a', false);
      await sessions.dropLink(id, 'files');
      await streams.delivered(id, 1);
      await streams.leave(id, 1);
      assert.equal(await sessions.claimLink(id, makeLink(), undefined), undefined);
      await assert.rejects(append(streams, id, 'x'), isSessionGone);
      await assert.rejects(take(a, id), isSessionGone);
      assert.deepEqual(await logged(streams, id), []);
      assert.deepEqual(await sessions.touch([id], LONG_MS), [id]);
      assert.equal(await sessions.unload(id, a.nodeId), false);
      assert.deepEqual(await sessions.nodesOf(id), []);
      assert.equal(await sessions.load(id, a.nodeId, LONG_MS), undefined);
      assert.equal(await sessions.peek(id), undefined);
      assert.equal(await sessions.delete(id), undefined);
    });

    test('a session ends when nobody touches it; one that was touched or loaded lives on', async () => {
      const { sessions, nodeId } = await makeNode(uniqueId('a'));
      const [touched, loaded, left] = [makeSession(), makeSession(), makeSession()];
      for (const session of [touched, loaded]) await sessions.create(session, nodeId, 2000);
      assert.deepEqual(await sessions.touch([touched.id], LONG_MS), []);
      assert.ok(await sessions.load(loaded.id, nodeId, LONG_MS));
      await sessions.create(left, nodeId, 2000);
      // The last one to be made is the last one whose first time runs out.
      await until(async () => (await sessions.peek(left.id)) === undefined, { what: 'the end of a session' });
      assert.ok(await sessions.peek(touched.id));
      assert.ok(await sessions.peek(loaded.id));
      assert.deepEqual(await sessions.touch([left.id, touched.id], LONG_MS), [left.id]);
      assert.equal(await sessions.delete(left.id), undefined);
    });

    test('many sessions are touched at once', async () => {
      const { sessions, nodeId } = await makeNode(uniqueId('a'));
      const made = Array.from({ length: 450 }, () => makeSession());
      await Promise.all(made.map((session) => sessions.create(session, nodeId, LONG_MS)));
      await sessions.delete(made[449]!.id);
      assert.deepEqual(
        await sessions.touch(
          made.map(({ id }) => id),
          LONG_MS,
        ),
        [made[449]!.id],
      );
      await Promise.all(made.map(({ id }) => sessions.delete(id)));
    });

    test('what was stored does not change with the objects it was made of', async () => {
      const { sessions, nodeId } = await makeNode(uniqueId('a'));
      const roles = ['user'];
      const session = makeSession({ roles });
      const link = makeLink();
      await sessions.create(session, nodeId, LONG_MS);
      const claimed = await sessions.claimLink(session.id, link, undefined);
      roles.push('admin');
      Object.assign(claimed!.handshake, { more: true });
      const loaded = await sessions.peek(session.id);
      Object.assign(loaded!.session.clientInfo, { more: true });
      const again = await sessions.peek(session.id);
      assert.deepEqual(again?.session, { ...session, roles: ['user'] });
      assert.deepEqual(again?.links, [link]);
    });

    test('log level and subscriptions are kept', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const { id, ...rest } = makeSession();
      await a.sessions.create({ id, ...rest }, a.nodeId, LONG_MS);
      await a.sessions.setLogLevel(id, 'debug');
      await b.sessions.setLogLevel(id, 'error');
      await a.sessions.setSubscription(id, 'files', 'file:///a', true);
      await a.sessions.setSubscription(id, 'files', 'file:///b', true);
      await a.sessions.setSubscription(id, 'files', 'file:///b', true);
      await b.sessions.setSubscription(id, '__proto__', 'odd: "uri"\n', true);
      await b.sessions.setSubscription(id, 'gone', 'file:///a', true);
      await a.sessions.setSubscription(id, 'gone', 'file:///a', false);
      const loaded = await a.sessions.peek(id);
      assert.equal(loaded?.logLevel, 'error');
      const subscriptions = Object.entries(loaded.subscriptions).map(([server, uris]) => [
        server,
        [...uris].sort(),
      ]);
      assert.deepEqual(subscriptions.sort(), [
        ['__proto__', ['odd: "uri"\n']],
        ['files', ['file:///a', 'file:///b']],
      ]);
    });

    test('ids may be anything', async () => {
      const { sessions, streams, nodeId } = await makeNode(uniqueId('a'));
      for (const odd of ['}', '{', '{}', '%7D', '__proto__', 'é 😀', '\n', '*']) {
        const session = makeSession({ id: uniqueId(odd) + odd });
        await sessions.create(session, nodeId, LONG_MS);
        await append(streams, session.id, odd);
        assert.deepEqual((await sessions.peek(session.id))?.session, session);
        assert.deepEqual(await logged(streams, session.id), [{ sequence: 1, data: odd }]);
        assert.deepEqual((await sessions.delete(session.id))?.nodes, [nodeId]);
      }
      assert.equal(await sessions.peek(''), undefined);
      assert.equal(await sessions.delete(''), undefined);
    });
  });

  describe('links', () => {
    test('the first of two nodes that open a link wins, and both use it', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const { id } = await create(a);
      const [mine, yours] = [makeLink(), makeLink()];
      const claimed = await Promise.all([
        a.sessions.claimLink(id, mine, undefined),
        b.sessions.claimLink(id, yours, undefined),
      ]);
      assert.deepEqual(claimed[0], claimed[1]);
      assert.ok([mine.sessionId, yours.sessionId].includes(claimed[0]?.sessionId));
      assert.deepEqual((await a.sessions.peek(id))?.links, [claimed[0]]);
    });

    test('a link is replaced once: by who knows the one in force', async () => {
      const a = await makeNode(uniqueId('a'));
      const { id } = await create(a);
      const [first, second, third] = [makeLink(), makeLink(), makeLink()];
      await a.sessions.claimLink(id, first, undefined);
      assert.deepEqual(await a.sessions.claimLink(id, second, first), second);
      assert.deepEqual(await a.sessions.claimLink(id, third, first), second);
      assert.deepEqual(await a.sessions.claimLink(id, third, undefined), second);
      assert.deepEqual((await a.sessions.peek(id))?.links, [second]);
    });

    test('links of servers that give no session id can be replaced too', async () => {
      const a = await makeNode(uniqueId('a'));
      const { id } = await create(a);
      const { sessionId: _, ...bare } = makeLink();
      const later = { ...bare, revision: 4 };
      await a.sessions.claimLink(id, bare, undefined);
      assert.deepEqual(await a.sessions.claimLink(id, later, makeLink()), bare);
      assert.deepEqual(await a.sessions.claimLink(id, later, bare), later);
    });

    test('a link for each server, until it is dropped', async () => {
      const a = await makeNode(uniqueId('a'));
      const { id } = await create(a);
      const files = makeLink();
      const mail = makeLink({ serverId: 'mail', transport: 'sse', sessionId: 'with "quotes"\nand lines' });
      await a.sessions.claimLink(id, files, undefined);
      await a.sessions.claimLink(id, mail, undefined);
      const byName = (await a.sessions.peek(id))!.links.toSorted((x, y) =>
        x.serverId < y.serverId ? -1 : 1,
      );
      assert.deepEqual(byName, [files, mail]);
      await a.sessions.dropLink(id, 'files');
      assert.deepEqual((await a.sessions.peek(id))?.links, [mail]);
      const next = makeLink();
      assert.deepEqual(await a.sessions.claimLink(id, next, files), next);
    });
  });

  describe('the end of a session', () => {
    test('tells its nodes and what it was, to one of those who end it', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const session = await create(a);
      const link = makeLink();
      await b.sessions.load(session.id, b.nodeId, LONG_MS);
      await b.sessions.claimLink(session.id, link, undefined);
      await b.sessions.setLogLevel(session.id, 'debug');
      await append(a.streams, session.id, 'news');
      const ends = await Promise.all([a.sessions.delete(session.id), b.sessions.delete(session.id)]);
      const [end, none] = ends[0] === undefined ? [ends[1], ends[0]] : ends;
      assert.equal(none, undefined);
      assert.deepEqual([...end!.nodes].sort(), [a.nodeId, b.nodeId].sort());
      assert.deepEqual(end!.loaded, { session, logLevel: 'debug', links: [link], subscriptions: {} });
      assert.equal(await a.sessions.peek(session.id), undefined);
      assert.equal(await b.sessions.load(session.id, b.nodeId, LONG_MS), undefined);
      assert.deepEqual(await logged(a.streams, session.id), []);
      await assert.rejects(append(a.streams, session.id, 'x'), isSessionGone);
      assert.deepEqual(await a.sessions.nodesOf(session.id), []);
    });

    test('sessions that nobody has used for long are retired, each for one of those who do it', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const old = Array.from({ length: 60 }, () => makeSession());
      for (const session of old) await a.sessions.create(session, a.nodeId, 30_000);
      const { id } = old[0]!;
      const link = makeLink();
      await a.sessions.claimLink(id, link, undefined);
      await append(a.streams, id, 'news');
      const [fresh, used, loaded] = [await create(a), makeSession(), makeSession()];
      for (const session of [used, loaded]) await a.sessions.create(session, a.nodeId, 30_000);
      await a.sessions.touch([used.id], LONG_MS);
      await b.sessions.load(loaded.id, b.nodeId, LONG_MS);

      const ended: EndedSession[] = [];
      const ids = () => ended.map(({ loaded: { session } }) => session.id);
      // What is noted of when sessions end comes after them.
      const retire = async () => {
        const both = await Promise.all([a.sessions.retire(60_000, 25), b.sessions.retire(60_000, 25)]);
        assert.ok(both.every((one) => one.length < 50));
        ended.push(...both.flat());
        return old.every((session) => ids().includes(session.id));
      };
      await until(retire, { what: 'all of them to be retired' });
      assert.equal(new Set(ids()).size, ids().length, 'a session was retired twice');
      const first = ended.find(({ loaded: { session } }) => session.id === id);
      assert.deepEqual(first, {
        nodes: [a.nodeId],
        loaded: { session: old[0], logLevel: undefined, links: [link], subscriptions: {} },
      });
      for (const session of old) assert.equal(await b.sessions.peek(session.id), undefined);
      assert.deepEqual(await logged(a.streams, id), []);
      for (const session of [fresh, used, loaded]) {
        assert.ok(!ids().includes(session.id));
        assert.ok(await a.sessions.peek(session.id));
        await a.sessions.delete(session.id);
      }
    });

    test('what has ended already is not retired', async () => {
      const { sessions, nodeId } = await makeNode(uniqueId('a'));
      const session = makeSession();
      await sessions.create(session, nodeId, 30_000);
      await sessions.delete(session.id);
      const ended = await sessions.retire(60_000, 10);
      assert.ok(ended.every(({ loaded }) => loaded.session.id !== session.id));
    });

    test('sessions are listed by whose they are, page by page, until they end', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const [tenantId, ada, eve] = [uniqueId('tenant'), uniqueId('ada'), uniqueId('eve')];
      const made = [ada, ada, ada, eve, eve].map((userId) => makeSession({ tenantId, userId }));
      for (const session of made) await a.sessions.create(session, a.nodeId, LONG_MS);
      const other = makeSession({ tenantId: uniqueId('tenant'), userId: ada });
      await a.sessions.create(other, a.nodeId, LONG_MS);
      const marks = (of: readonly { readonly id: string }[]) => of.map(({ id }) => markOf(id)).sort();
      const [first] = made as [StoredSession];
      await b.sessions.load(first.id, b.nodeId, LONG_MS);
      await take(b, first.id);

      const all = await until(
        async () => {
          const page = await b.sessions.list({ tenantId }, undefined, 10);
          return page.items.length === made.length && page;
        },
        { what: 'all sessions in the list' },
      );
      assert.deepEqual([all.total, all.next], [5, undefined]);
      assert.deepEqual(
        all.items.map(({ mark }) => mark),
        marks(made),
      );
      const listed = all.items.find(({ session }) => session.id === first.id);
      assert.ok(listed !== undefined && listed.leftMs > 0 && listed.leftMs <= LONG_MS);
      assert.deepEqual(listed.session, first);
      assert.deepEqual([...listed.nodes].sort(), [a.nodeId, b.nodeId].sort());
      assert.equal(listed.holder, b.nodeId);

      const paged: string[] = [];
      let after: string | undefined;
      do {
        const page = await a.sessions.list({ tenantId, userId: ada }, after, 2);
        assert.ok(page.items.length <= 2 && page.total === 3);
        paged.push(...page.items.map(({ mark }) => mark));
        after = page.next;
      } while (after !== undefined);
      assert.deepEqual(paged, marks(made.slice(0, 3)));

      assert.equal((await b.sessions.find(tenantId, markOf(first.id)))?.session.id, first.id);
      assert.equal(await b.sessions.find(other.tenantId, markOf(first.id)), undefined);
      assert.equal(await b.sessions.find(tenantId, 'nothing'), undefined);
      for (const { id } of made) await b.sessions.delete(id);
      await until(async () => (await a.sessions.list({ tenantId }, undefined, 10)).total === 0, {
        what: 'an empty list',
      });
      assert.equal(await b.sessions.find(tenantId, markOf(first.id)), undefined);
      await a.sessions.delete(other.id);
    });

    test('the last node that has no use for it is told that it was the last', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const { id } = await create(a);
      await b.sessions.load(id, b.nodeId, LONG_MS);
      assert.equal(await a.sessions.unload(id, a.nodeId), false);
      assert.deepEqual(await a.sessions.nodesOf(id), [b.nodeId]);
      assert.equal(await a.sessions.unload(id, a.nodeId), false);
      assert.equal(await b.sessions.unload(id, b.nodeId), true);
      assert.ok(await a.sessions.peek(id));
    });
  });
}

async function create(node: Awaited<ReturnType<MakeNode>>) {
  const session = makeSession();
  await node.sessions.create(session, node.nodeId, LONG_MS);
  return session;
}
