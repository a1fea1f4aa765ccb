import { describe } from 'node:test';
import { createMemoryCoordination, MemoryHub } from '../../src/coordination/memory/index.ts';
import { coordinationContract } from './coordination-contract.ts';

describe('coordination in memory', () => {
  const hub = new MemoryHub();
  coordinationContract(async (nodeId, streamLimits) =>
    createMemoryCoordination({ nodeId, hub, ...(streamLimits === undefined ? {} : { streamLimits }) }),
  );
});
