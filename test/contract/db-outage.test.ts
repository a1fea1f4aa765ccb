import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { LOCAL_PRINCIPAL } from '../../src/auth/principal.ts';
import { type Database, openDatabase } from '../../src/db/database.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { until } from '../support/wait.ts';

type Mode = 'through' | 'refused' | 'silent';

/** A network between the gateway and its database, which can be cut, or can swallow everything. */
async function network(target: URL) {
  let mode: Mode = 'through';
  let swallowed = 0;
  let accepted = 0;
  const sockets = new Set<Socket>();
  const relay = createServer((client) => {
    accepted++;
    if (mode === 'refused') {
      client.destroy();
      return;
    }
    const server = connect(Number(target.port || 5432), target.hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => {
        if (mode === 'through') to.write(chunk);
        else swallowed += chunk.length;
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((relay.address() as AddressInfo).port);
  return {
    url: url.href,
    /** Bytes that went nowhere, and connections taken, since the mode was set. */
    swallowed: () => swallowed,
    accepted: () => accepted,
    set(next: Mode) {
      mode = next;
      swallowed = 0;
      accepted = 0;
      if (next === 'refused') for (const socket of sockets) socket.destroy();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      relay.close();
      await once(relay, 'close');
    },
  };
}

const unavailable = (error: unknown) => error instanceof GatewayError && error.code === Code.Unavailable;

describe('PostgreSQL goes away', () => {
  let pg: TestPostgres;
  let wire: Awaited<ReturnType<typeof network>>;
  let database: Database;
  before(async () => {
    pg = await startPostgres();
    wire = await network(new URL(pg.url));
    database = await openDatabase({ databaseUrl: wire.url, dataDir: '/nonexistent' });
  });
  after(async () => {
    await database?.close();
    await wire?.close();
    await pg?.stop();
  });

  async function isBack(): Promise<void> {
    await until(() => database.ping().then(() => true), { what: 'the database to be back' });
    assert.deepEqual(await database.servers.all(LOCAL_PRINCIPAL), []);
  }

  it('is Unavailable while it is away, and heals by itself', async () => {
    await database.ping();
    wire.set('refused');
    await assert.rejects(database.ping(), unavailable);
    await assert.rejects(database.servers.all(LOCAL_PRINCIPAL), unavailable);
    await assert.rejects(database.addOwner(LOCAL_PRINCIPAL), unavailable);
    assert.ok(wire.accepted() <= 10, `${wire.accepted()} connections for three calls`);
    wire.set('through');
    await isBack();
  });

  it('a query in flight when the connection breaks is Unavailable', async () => {
    wire.set('silent');
    const rejected = assert.rejects(database.servers.all(LOCAL_PRINCIPAL), unavailable);
    await until(() => wire.swallowed() > 0, { what: 'the query to be sent' });
    wire.set('refused');
    await rejected;
    wire.set('through');
    await isBack();
  });

  it('a ping that nobody answers is Unavailable in its own time', async () => {
    wire.set('silent');
    await assert.rejects(database.ping(), unavailable);
    wire.set('refused');
    wire.set('through');
    await isBack();
  });
});
