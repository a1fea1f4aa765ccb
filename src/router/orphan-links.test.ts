import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnector, FakeLink, fakeRecord, OWNER, recordingLogger } from '../../test/support/fakes.ts';
import type { StoredLink } from '../coordination/session-store.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { closeOrphanLinks } from './orphan-links.ts';

const CAPABILITIES = { roots: {} };
const HANDSHAKE = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: {} };

function storedLink(serverId: string, more: Partial<StoredLink> = {}): StoredLink {
  return {
    serverId,
    revision: 1,
    sessionId: `at ${serverId}`,
    transport: 'streamable',
    handshake: HANDSHAKE,
    ...more,
  };
}

function start() {
  const links: FakeLink[] = [];
  const connector = new FakeConnector((server) => {
    if (server.id === 'down') throw new GatewayError(Code.DownstreamUnavailable, 'Server "down" is down');
    const link = new FakeLink(server, () => undefined);
    links.push(link);
    return link;
  });
  const logger = recordingLogger();
  const servers = async () => [
    fakeRecord('down'),
    fakeRecord('a'),
    fakeRecord('b'),
    fakeRecord('changed', { revision: 2 }),
    fakeRecord('unreadable', { unreadable: 'a key is missing' }),
  ];
  return { links, connector, logger, options: { servers, connector, logger } };
}

test('each session that is left behind is gone on with, and ended', async () => {
  const { links, connector, logger, options } = start();
  const { sessionId: _, ...unnamed } = storedLink('b');
  const process = storedLink('a', { transport: 'process' });
  const all = [storedLink('a'), unnamed, process, storedLink('b')];
  await closeOrphanLinks(OWNER, CAPABILITIES, all, options);
  assert.deepEqual(
    connector.opened.map(({ server, options: { resume, clientCapabilities } }) => [
      server.id,
      resume,
      clientCapabilities,
    ]),
    [
      ['a', { sessionId: 'at a', handshake: HANDSHAKE }, CAPABILITIES],
      ['b', { sessionId: 'at b', handshake: HANDSHAKE }, CAPABILITIES],
    ],
  );
  assert.deepEqual(
    links.map(({ closed }) => closed),
    [1, 1],
  );
  assert.deepEqual(logger.lines, []);
});

test('servers that are gone, changed or cannot be reached as they should be are left alone', async () => {
  const { connector, options } = start();
  const left = ['gone', 'changed', 'unreadable'].map((id) => storedLink(id));
  await closeOrphanLinks(OWNER, CAPABILITIES, left, options);
  assert.deepEqual(connector.opened, []);
});

test('one that is away keeps none of the others from being ended', async () => {
  const { links, logger, options } = start();
  await closeOrphanLinks(OWNER, CAPABILITIES, [storedLink('down'), storedLink('a')], options);
  assert.deepEqual(
    links.map(({ server, closed }) => [server.id, closed]),
    [['a', 1]],
  );
  assert.deepEqual(
    logger.lines.map(({ level, message }) => `${level} ${message}`),
    ['warn sessions with servers could not be ended'],
  );
});

test('nothing is thrown where the servers are not known', async () => {
  const { options } = start();
  const servers = async () => {
    throw new GatewayError(Code.Unavailable, 'The database is away');
  };
  await closeOrphanLinks(OWNER, CAPABILITIES, [storedLink('a')], { ...options, servers });
});
