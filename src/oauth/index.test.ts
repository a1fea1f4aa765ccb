import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRecord, recordingLogger } from '../../test/support/fakes.ts';
import { MemoryBus } from '../coordination/memory/bus.ts';
import { MemoryHub } from '../coordination/memory/hub.ts';
import type { LoginRepository } from '../db/oauth-record.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { downstreamServer } from '../downstream/port.ts';
import { NO_EVENTS } from '../events/event.ts';
import { readAllowedNetworks } from '../networks/allowed.ts';
import { NetworkGuard } from '../networks/guard.ts';
import { createOutgoingLogins } from './index.ts';

// Nothing listens there.
const ADDRESS = 'http://127.0.0.1:9/mcp';
const GRANT = {
  grant: 'client_credentials',
  clientId: 'c',
  authMethod: 'client_secret_basic',
  clientSecret: 's',
  scopes: [],
} as const;
const EXCHANGED = { ...GRANT, grant: 'token_exchange', issuer: 'http://127.0.0.1:9' } as const;

test('a connection from before a change gets no token as the server was then', async (t) => {
  let stored: ServerRecord = fakeRecord('docs');
  const bus = new MemoryBus('n1', new MemoryHub(), undefined);
  const logins: Partial<LoginRepository> = {
    read: async () => ({ url: ADDRESS, state: 'needed', version: 1 }),
    noteChallenge: async () => {},
    claim: async () => true,
    unclaim: async () => {},
  };
  const outgoing = createOutgoingLogins({
    logins: logins as LoginRepository,
    bus,
    networks: new NetworkGuard(readAllowedNetworks('loopback') ?? assert.fail()),
    gateway: () => ({ name: 'test', publicUrl: 'http://127.0.0.1:1' }),
    subjects: { of: () => ({ token: 'x', endsAt: Infinity }) },
    exchangeIssuers: [EXCHANGED.issuer],
    servers: { used: async () => stored, touch: async () => {} },
    events: NO_EVENTS,
    logger: recordingLogger(),
  });
  t.after(async () => {
    await outgoing.close();
    await bus.close();
  });
  for (const oauth of [GRANT, EXCHANGED]) {
    const before = fakeRecord('docs', { target: { kind: 'http', url: ADDRESS, headers: {}, oauth } });
    const ask = async () => outgoing.credentials.of(downstreamServer(before));
    stored = before;
    await assert.rejects(ask, /"docs" gives the gateway no token/);
    for (const target of [
      { kind: 'http', url: ADDRESS, headers: {} },
      { kind: 'http', url: ADDRESS, headers: {}, oauth: { ...oauth, clientSecret: 'next' } },
      { kind: 'http', url: `${ADDRESS}/other`, headers: {}, oauth },
      { kind: 'stdio', command: 'x', args: [], env: {} },
    ] as const) {
      stored = { ...before, target };
      await assert.rejects(ask, /"docs" has changed meanwhile: try again/);
    }
  }
});
