import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sql } from '../../src/db/drizzle.ts';
import { CHAIN_START, nextPlace } from '../../src/db/event-chain.ts';
import type { EventFilter } from '../../src/db/event-record.ts';
import { DatabaseEventStore } from '../../src/db/event-store.ts';
import type { Engine } from '../../src/db/orm.ts';
import { openPglite } from '../../src/db/pglite.ts';
import { openPostgres } from '../../src/db/postgres.ts';
import type { StoredEvent } from '../../src/events/event.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { placeDatabase } from '../support/database-template.ts';
import { storedEvent } from '../support/events.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

const WEEK_MS = 7 * 24 * 3_600_000;

interface Backend {
  open(): Promise<Engine>;
  stop(): Promise<void>;
}

function embedded(): Backend {
  let dataDir = '';
  return {
    async open() {
      dataDir = await mkdtemp(join(tmpdir(), 'dragon-events-'));
      await placeDatabase(dataDir);
      return await openPglite(dataDir);
    },
    stop: () => rm(dataDir, { recursive: true, force: true }),
  };
}

function postgresql(): Backend {
  let server: TestPostgres | undefined;
  return {
    async open() {
      server = await startPostgres();
      return await openPostgres(server.url);
    },
    stop: async () => await server?.stop(),
  };
}

const BACKENDS = { 'embedded PostgreSQL': embedded(), PostgreSQL: postgresql() };

/** Events of a tenant of its own, a millisecond apart. */
function eventsOf(
  tenantId: string,
  count: number,
  more: (index: number) => Partial<StoredEvent> = () => ({}),
) {
  const start = Date.now() - count;
  return Array.from({ length: count }, (_, index) =>
    storedEvent({ tenantId, time: start + index, ...more(index) }),
  );
}

for (const [name, backend] of Object.entries(BACKENDS)) {
  describe(`events in ${name}`, { timeout: 120_000 }, () => {
    let engine: Engine;
    let store: DatabaseEventStore;

    before(async () => {
      engine = await backend.open();
      store = new DatabaseEventStore(engine);
    });
    after(async () => {
      await engine?.close();
      await backend.stop();
    });

    const execute = (statement: string) => engine.orm.execute(sql.raw(statement));

    async function all(filter: EventFilter, pageSize = 1000): Promise<readonly StoredEvent[]> {
      const found: StoredEvent[] = [];
      let token: string | undefined;
      do {
        const page = await store.page(filter, pageSize, token);
        found.push(...page.items);
        token = page.nextPageToken;
      } while (token !== undefined);
      return found;
    }

    it('gives back what was stored, the newest first', async () => {
      const whole = storedEvent({
        tenantId: 'whole',
        session: 'abc',
        detail: '{"a":"é\\"\\\\"}',
        tool: `it's "quoted" \\ {1} 日本`,
        answerBytes: 5_000_000_000,
      });
      const {
        userId: _,
        server: __,
        tool: ___,
        durationUs: ____,
        ...bare
      } = storedEvent({
        tenantId: 'whole',
        time: whole.time + 1,
      });
      assert.equal(await store.store([whole, bare]), 2);
      assert.deepEqual(await all({ tenantId: 'whole' }), [bare, whole]);
    });

    it('stores each event once, however often and by however many it is told', async () => {
      const events = eventsOf('once', 30);
      const other = new DatabaseEventStore(engine);
      const counts = await Promise.all([
        store.store([...events.slice(0, 20), ...events.slice(0, 5)]),
        other.store(events.slice(10)),
        store.store(events.slice(5, 25)),
      ]);
      assert.equal(
        counts.reduce((sum, count) => sum + count),
        30,
      );
      assert.equal((await all({ tenantId: 'once' })).length, 30);
      assert.deepEqual((await store.verify('once')).bad, undefined);
    });

    it('pages by a place that nothing moves', async () => {
      // Several at the same time: their ids tell them apart.
      const time = Date.now();
      const events = eventsOf('pages', 25, (index) => ({ time: time + Math.floor(index / 10) }));
      await store.store(events);
      const first = await store.page({ tenantId: 'pages' }, 10, undefined);
      await store.store(eventsOf('pages', 3, () => ({ time: time + 1000 })));
      const second = await store.page({ tenantId: 'pages' }, 10, first.nextPageToken);
      const third = await store.page({ tenantId: 'pages' }, 10, second.nextPageToken);
      assert.equal(third.nextPageToken, undefined);
      const seen = [...first.items, ...second.items, ...third.items].map(({ id }) => id);
      assert.deepEqual(
        seen,
        [...events].sort((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1)).map(({ id }) => id),
      );
    });

    it('refuses a page token that it has not given', async () => {
      const bad = ['x', '', Buffer.from(`1:${crypto.randomUUID()}x`).toString('base64url'), 'MTo='];
      for (const token of bad) {
        await assert.rejects(
          store.page({ tenantId: 'pages' }, 10, token),
          (error) => error instanceof GatewayError && error.code === Code.InvalidArgument,
          token,
        );
      }
    });

    it('filters by whatever is asked, and never shows another tenant or user', async () => {
      const time = Date.now();
      const variants: Partial<StoredEvent>[] = [
        {},
        { userId: 'other' },
        { type: 'key', action: 'created' },
        { server: 'maps' },
        { tool: 'route' },
        { outcome: 'timeout' },
        { time: time - 5000 },
      ];
      const stored = variants.map((more) => storedEvent({ time, ...more, tenantId: 'filters' }));
      const foreign = variants.map((more) => storedEvent({ time, ...more, tenantId: 'filters-2' }));
      await store.store([...stored, ...foreign]);
      const ids = async (filter: Omit<EventFilter, 'tenantId'>) =>
        (await all({ tenantId: 'filters', ...filter })).map(({ id }) => id).sort();
      const expected = (wanted: (event: StoredEvent) => boolean) =>
        stored
          .filter(wanted)
          .map(({ id }) => id)
          .sort();
      assert.deepEqual(
        await ids({}),
        expected(() => true),
      );
      assert.deepEqual(
        await ids({ userId: 'other' }),
        expected(({ userId }) => userId === 'other'),
      );
      assert.deepEqual(
        await ids({ type: 'key' }),
        expected(({ type }) => type === 'key'),
      );
      assert.deepEqual(
        await ids({ server: 'maps' }),
        expected(({ server }) => server === 'maps'),
      );
      assert.deepEqual(
        await ids({ tool: 'route' }),
        expected(({ tool }) => tool === 'route'),
      );
      assert.deepEqual(
        await ids({ outcome: 'timeout' }),
        expected(({ outcome }) => outcome === 'timeout'),
      );
      assert.deepEqual(
        await ids({ since: time }),
        expected((event) => event.time >= time),
      );
      assert.deepEqual(
        await ids({ until: time }),
        expected((event) => event.time < time),
      );
      assert.deepEqual(await ids({ server: 'maps', outcome: 'timeout' }), []);
      assert.deepEqual(await ids({ tool: "x' or true --" }), []);
    });

    it('tells what was stored since, late ones too', async () => {
      await store.store(eventsOf('later', 3));
      const before = await store.last('later');
      assert.equal(before, 3);
      const late = storedEvent({ tenantId: 'later', time: Date.now() - 60_000 });
      const other = storedEvent({ tenantId: 'later', userId: 'other' });
      await store.store([late, other]);
      const { items, ordinal } = await store.after({ tenantId: 'later' }, before, 10);
      assert.deepEqual([items.map(({ id }) => id), ordinal], [[late.id, other.id], 5]);
      const mine = await store.after({ tenantId: 'later', userId: 'other' }, before, 10);
      assert.deepEqual([mine.items.map(({ id }) => id), mine.ordinal], [[other.id], 5]);
      const cut = await store.after({ tenantId: 'later' }, before, 1);
      assert.deepEqual([cut.items.map(({ id }) => id), cut.ordinal], [[late.id], 4]);
      assert.deepEqual(await store.after({ tenantId: 'later' }, 5, 10), { items: [], ordinal: 5 });
    });

    const TAMPERING: Readonly<
      Record<string, readonly [statement: (ids: readonly string[]) => string, fault: string, ordinal: number]>
    > = {
      'an edited tool': [(ids) => `update dragon.events set tool = 'x' where id = '${ids[4]}'`, 'edited', 5],
      'an edited outcome': [
        (ids) => `update dragon.events set outcome = 'ok' where id = '${ids[2]}'`,
        'edited',
        3,
      ],
      'an edited time': [
        (ids) => `update dragon.events set time = time + interval '1 ms' where id = '${ids[6]}'`,
        'edited',
        7,
      ],
      'an edited user': [
        (ids) => `update dragon.events set user_id = null where id = '${ids[0]}'`,
        'edited',
        1,
      ],
      'an edited hash': [(ids) => `update dragon.events set hash = 'x' where id = '${ids[9]}'`, 'edited', 10],
      'a removed row': [(ids) => `delete from dragon.events where id = '${ids[4]}'`, 'removed', 5],
      'a removed first row': [(ids) => `delete from dragon.events where id = '${ids[0]}'`, 'removed', 1],
      'removed last rows': [
        (ids) => `delete from dragon.events where id in ('${ids[8]}', '${ids[9]}')`,
        'removed',
        9,
      ],
      'a row that was put in': [
        (ids) =>
          `insert into dragon.events select '${crypto.randomUUID()}', time, tenant_id, user_id, type, action, outcome, server, tool, session, node, duration_us, request_bytes, answer_bytes, detail, ordinal, hash from dragon.events where id = '${ids[4]}'`,
        'any',
        5,
      ],
      'two rows whose places were swapped': [
        (ids) =>
          `update dragon.events e set ordinal = o.ordinal, hash = o.hash from dragon.events o where o.tenant_id = e.tenant_id and ((e.id = '${ids[3]}' and o.id = '${ids[4]}') or (e.id = '${ids[4]}' and o.id = '${ids[3]}'))`,
        'edited',
        4,
      ],
    };

    for (const [what, [statement, fault, ordinal]] of Object.entries(TAMPERING)) {
      it(`finds ${what}`, async () => {
        const tenantId = `tampered with ${what}`;
        const events = eventsOf(tenantId, 10, () => ({ outcome: 'tool_error' }));
        await store.store(events);
        const whole = await store.verify(tenantId);
        assert.deepEqual([whole.checked, whole.ordinal, whole.bad], [10, 10, undefined]);
        await execute(statement(events.map(({ id }) => id)));
        const { bad } = await store.verify(tenantId);
        assert.equal(bad?.ordinal, ordinal);
        if (fault !== 'any') assert.equal(bad?.fault, fault);
      });
    }

    it('finds a last row that was made anew with its hash', async () => {
      const tenantId = 'made anew';
      const events = eventsOf(tenantId, 3);
      await store.store(events);
      const [place, last] = [events.slice(0, 2).reduce(nextPlace, CHAIN_START), events[2]!];
      const whole = await store.verify(tenantId);
      assert.deepEqual([whole.hash, whole.bad], [nextPlace(place, last).hash, undefined]);
      const { hash } = nextPlace(place, { ...last, outcome: 'tool_error' });
      await execute(
        `update dragon.events set outcome = 'tool_error', hash = '${hash}' where id = '${last.id}'`,
      );
      assert.deepEqual((await store.verify(tenantId)).bad, { fault: 'edited', ordinal: 3 });
    });

    it('finds a second row where a batch of the look ends', async () => {
      const events = eventsOf('batches', 2001);
      await store.store(events);
      assert.equal((await store.verify('batches')).checked, 2001);
      const last = events[1999]?.id;
      // The later of the two to be read is the one that nothing is wrong with.
      await execute(
        `insert into dragon.events select 'ffffffff-ffff-7fff-bfff-ffffffffffff', time, tenant_id, user_id, type, action, outcome, server, tool, session, node, duration_us, request_bytes, answer_bytes, detail, ordinal, hash from dragon.events where id = '${last}'`,
      );
      assert.equal((await store.verify('batches')).bad?.ordinal, 2000);
    });

    it('drops whole weeks that are old, and what is left can still be verified', async () => {
      const now = Date.now();
      const old = now - 5 * WEEK_MS;
      const tenantId = 'retention';
      const oldOnes = eventsOf(tenantId, 5, (index) => ({ time: old + index }));
      const newOnes = eventsOf(tenantId, 5, (index) => ({ time: now + index }));
      // Two of them come late: their places are behind one that stays.
      await store.store([...oldOnes.slice(0, 3), newOnes[0]!, ...oldOnes.slice(3), ...newOnes.slice(1)]);
      await store.store(eventsOf('retention, old', 2, (index) => ({ time: old + index })));
      assert.equal(await store.maintain(old - 3 * WEEK_MS, now), 0);
      assert.equal((await store.verify(tenantId)).checked, 10);
      assert.equal(await store.maintain(now - 2 * WEEK_MS, now + WEEK_MS), 1);
      assert.deepEqual(
        (await all({ tenantId })).map(({ id }) => id).sort(),
        newOnes.map(({ id }) => id).sort(),
      );
      assert.deepEqual(
        await store.verify(tenantId).then(({ checked, ordinal, bad }) => [checked, ordinal, bad]),
        [5, 10, undefined],
      );
      // Nothing is left of this one but its end, which the next event follows.
      await store.store(eventsOf('retention, old', 1));
      assert.deepEqual(await store.verify('retention, old').then(({ checked, bad }) => [checked, bad]), [
        1,
        undefined,
      ]);
      // A part that was dropped is made again for what comes from a clock that is wrong.
      await store.store([storedEvent({ tenantId, time: old })]);
      assert.equal(await store.maintain(now - 2 * WEEK_MS, now), 1);
      await execute(`update dragon.events set tool = 'x' where id = '${newOnes[0]?.id}'`);
      assert.deepEqual((await store.verify(tenantId)).bad?.ordinal, 4);
    });

    it('makes a part again that another node has dropped', async () => {
      const time = Date.now() - 9 * WEEK_MS;
      await store.store([storedEvent({ tenantId: 'parts', time })]);
      await new DatabaseEventStore(engine).maintain(Date.now() - 8 * WEEK_MS, Date.now());
      assert.equal(await store.store([storedEvent({ tenantId: 'parts', time })]), 1);
    });
  });
}
