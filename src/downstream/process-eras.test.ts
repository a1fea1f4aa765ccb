import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModernLink } from './modern-port.ts';
import type { DownstreamLink, DownstreamServer, LinkListener } from './port.ts';
import { ProcessEras } from './process-eras.ts';

const serverAt = (revision: number): DownstreamServer => ({
  id: 's',
  owner: { tenantId: 't', userId: 'u' },
  name: 's',
  prefix: 's',
  ordinal: 1,
  revision,
  target: { kind: 'stdio', command: 'x', args: [], env: {} },
});

/** Processes that are of the era that the test says, and how often they were opened and closed. */
function eras(first: 'modern' | 'legacy') {
  const state = {
    era: first,
    opened: 0,
    closed: 0,
    found: [] as string[],
    listener: undefined as LinkListener | undefined,
  };
  const found = new ProcessEras({
    open: async (server, listener) => {
      state.opened++;
      state.listener = listener;
      const pipe: Partial<DownstreamLink> = {
        server,
        close: async () => {
          state.closed++;
        },
      };
      return pipe as DownstreamLink;
    },
    found: (_server, era) => state.found.push(era),
    modern: ({ server }) => (state.era === 'modern' ? ({ server } as ModernLink) : undefined),
  });
  return { state, found };
}

test('a modern server is opened once, and its link is there at once afterwards', async () => {
  const { state, found } = eras('modern');
  const [one, other] = await Promise.all([found.of(serverAt(1)), found.of(serverAt(1))]);
  assert.ok(one !== undefined && one === other);
  assert.equal(found.of(serverAt(1)), one);
  assert.deepEqual([state.opened, state.closed, state.found], [1, 0, ['modern-only']]);
  found.close();
  assert.equal(state.closed, 1);
});

test('a legacy server is let go of, and not asked again', async () => {
  const { state, found } = eras('legacy');
  assert.equal(await found.of(serverAt(1)), undefined);
  assert.equal(found.of(serverAt(1)), undefined);
  assert.deepEqual([state.opened, state.closed], [1, 1]);
  found.foundLegacy(serverAt(2));
  assert.equal(found.of(serverAt(2)), undefined);
  assert.equal(state.opened, 1);
});

test('a record that says legacy is believed until a session shows otherwise', async () => {
  const { state, found } = eras('modern');
  const recorded = { ...serverAt(1), era: 'legacy' as const };
  assert.equal(found.of(recorded), undefined);
  assert.equal(state.opened, 0);
  assert.ok(await found.find(recorded));
  assert.ok(found.of(recorded));
});

test('one that was found to be modern meanwhile is asked again', async () => {
  const { state, found } = eras('legacy');
  assert.equal(await found.of(serverAt(1)), undefined);
  state.era = 'modern';
  const link = await found.find(serverAt(1));
  assert.ok(link !== undefined && found.of(serverAt(1)) === link);
  assert.equal(await found.find(serverAt(1)), link);
  assert.equal(state.opened, 2);
});

test('another revision is another server, and the link to the one before is closed', async () => {
  const { state, found } = eras('modern');
  const before = await found.of(serverAt(1));
  const now = await found.of(serverAt(2));
  assert.notEqual(now, before);
  assert.deepEqual([state.opened, state.closed], [2, 1]);
  assert.equal(found.known(serverAt(1)), undefined);
});

test('is told when a server has changed, and keeps what it knows of the next revision', async () => {
  const { state, found } = eras('modern');
  await found.of(serverAt(2));
  found.forget(serverAt(1));
  assert.ok(found.known(serverAt(2)));
  assert.equal(found.records('s')[0]?.revision, 2);
  found.forget(serverAt(2));
  assert.deepEqual(found.records('s'), []);
  assert.deepEqual([state.opened, state.closed], [1, 1]);
});

test('what is asked while the gateway stops is not kept', async () => {
  const { state, found } = eras('modern');
  const asking = found.of(serverAt(1));
  found.close();
  await asking;
  assert.equal(found.known(serverAt(1)), undefined);
  assert.deepEqual([state.opened, state.closed], [1, 1]);
});

test('one that begins anew as a legacy server is asked again', async () => {
  const { state, found } = eras('modern');
  await found.of(serverAt(1));
  state.listener!.restarted();
  assert.ok(found.known(serverAt(1)));
  state.era = 'legacy';
  state.listener!.restarted();
  assert.equal(await found.of(serverAt(1)), undefined);
  assert.equal(state.opened, 2);
});
