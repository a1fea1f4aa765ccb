import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../config.ts';
import { shareOf } from './share.ts';

const SEAT = { nodeId: 'gw-3', ports: { mcp: 9081, management: 9080 } };

test('what counts on the machine is shared, and what counts for each request is not', () => {
  const config = loadConfig({
    DRAGON_WORKERS: '3',
    DRAGON_NODE_ID: 'gw',
    DRAGON_MCP_PORT: '0',
    DRAGON_MAX_IN_FLIGHT: '100',
    DRAGON_MAX_IN_FLIGHT_PER_SERVER: '1',
    DRAGON_MAX_CONNECTIONS: '9',
  });
  const own = shareOf(config, SEAT);
  const changed = Object.entries(own).filter(([name, value]) => value !== Reflect.get(config, name));
  assert.deepEqual(Object.fromEntries(changed), {
    nodeId: 'gw-3',
    mcpPort: 9081,
    grpcPort: 9080,
    maxInFlight: 34,
    maxInFlightPerPrincipal: 1667,
    maxStreamsPerPrincipal: 4000,
    maxConnections: 3,
  });
  assert.equal(own.maxInFlightPerServer, 1);
  assert.ok(Object.isFrozen(own));
});
