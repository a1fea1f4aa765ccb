import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { after, before, describe, it } from 'node:test';
import postgres from 'postgres';
import { type Cluster, startCluster } from '../support/cluster.ts';

interface Member {
  readonly id: string;
  readonly address: string;
  readonly version: string;
  readonly started: string;
  readonly state: string;
}

describe('three nodes that start together', () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster?.stop());

  it('apply the migrations to an empty database once', async () => {
    const sql = postgres(cluster.databaseUrl, { max: 1, onnotice: () => undefined });
    try {
      const tables = await sql`
        select table_schema, table_name from information_schema.tables
        where table_name like '%migrations%' and table_schema not in ('pg_catalog', 'information_schema')`;
      assert.equal(tables.length, 1);
      const [{ table_schema: schema, table_name: name } = {}] = tables;
      const applied = await sql`select * from ${sql(`${schema}.${name}`)}`;
      const files = (await readdir(new URL('../../drizzle/', import.meta.url))).filter((file) =>
        file.endsWith('.sql'),
      );
      assert.equal(applied.length, files.length);
    } finally {
      await sql.end();
    }
  });

  it('know each other', async () => {
    const addresses = cluster.nodes.map(({ mcpUrl }) => new URL(mcpUrl).host).sort();
    for (const { opsUrl } of cluster.nodes) {
      const members = (await (await fetch(`${opsUrl}/cluster/members`)).json()) as Member[];
      assert.deepEqual(members.map(({ address }) => address).sort(), addresses);
      assert.deepEqual(new Set(members.map(({ state }) => state)), new Set(['ready']));
      assert.equal(new Set(members.map(({ id }) => id)).size, 3);
      for (const { version, started } of members) {
        assert.match(version, /^\d+\.\d+\.\d+/);
        assert.ok(Date.parse(started) <= Date.now());
      }
    }
  });

  it('say that one has left when it stops', async () => {
    const [first, second] = cluster.nodes;
    const { host } = new URL(second!.mcpUrl);
    assert.equal(await second!.stop(), 0);
    const members = (await (await fetch(`${first!.opsUrl}/cluster/members`)).json()) as Member[];
    const state = members.find(({ address }) => address === host)?.state;
    assert.ok(state === undefined || state === 'gone', state);
    await cluster.revive(1);
  });
});
