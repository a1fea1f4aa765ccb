import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeCatalog, fakeServer, OWNER } from '../../test/support/fakes.ts';
import { Policy } from '../policy/policy.ts';
import { readPolicy } from '../policy/rules.ts';
import { RestrictedView } from './restricted-view.ts';
import { buildSnapshot, type Snapshot } from './snapshot.ts';
import type { CatalogView, ChangedLists } from './view.ts';

/** A view whose snapshot a test sets. */
class SetView {
  current: Snapshot | undefined;
  #listener: (changed: ChangedLists) => void = () => {};

  async set(...tools: readonly string[]): Promise<Snapshot> {
    const source = { server: fakeServer('s'), catalog: fakeCatalog({ tools }) };
    this.current = await buildSnapshot([source], 10);
    this.#listener({ tools: true, prompts: false, resources: false });
    return this.current;
  }

  async snapshot(): Promise<Snapshot | undefined> {
    return this.current;
  }

  onChange(listener: (changed: ChangedLists) => void): () => void {
    this.#listener = listener;
    return () => {};
  }
}

async function start() {
  const read = readPolicy(JSON.stringify({ rules: [{ effect: 'deny', tools: ['no*'] }] }));
  assert.ok(!('problem' in read));
  const access = (await Policy.of(read)).accessOf({ ...OWNER, roles: ['user'] });
  assert.ok(access !== undefined);
  const full = new SetView();
  const view = new RestrictedView(full as unknown as CatalogView, access, 10);
  const news: ChangedLists[] = [];
  view.onChange((changed) => news.push(changed));
  return { full, view, news };
}

const toolsOf = (snapshot: Snapshot | undefined) =>
  snapshot && [...snapshot.tools.values()].map(({ key }) => key);

test('a restricted view follows the full one, and is made once for each', async () => {
  const { full, view } = await start();
  await full.set('a', 'no1');
  const [first, second] = await Promise.all([view.snapshot(), view.snapshot()]);
  assert.equal(first, second);
  assert.deepEqual(toolsOf(first), ['a']);
  assert.equal(view.current, first);
  await full.set('b', 'no1');
  assert.equal(view.current, undefined);
  assert.deepEqual(toolsOf(await view.snapshot()), ['b']);
  assert.deepEqual(toolsOf(view.current), ['b']);
});

test('clients hear of a change of what they may see, and of no other', async () => {
  const { full, view, news } = await start();
  await full.set('a', 'no1');
  await view.snapshot();
  await full.set('a', 'no2', 'no3');
  await view.snapshot();
  assert.deepEqual(news, []);
  await full.set('a', 'b', 'no2');
  await view.snapshot();
  assert.deepEqual(news, [{ tools: true, prompts: false, resources: false }]);
});
