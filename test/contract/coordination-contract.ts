import type { Coordination } from '../../src/coordination/coordination.ts';
import type { StreamLogLimits } from '../../src/coordination/stream-log.ts';
import { allowanceContract } from './coordination-allowance-contract.ts';
import { busContract } from './coordination-bus-contract.ts';
import { callContract } from './coordination-call-contract.ts';
import { catalogContract } from './coordination-catalog-contract.ts';
import { leaseContract } from './coordination-lease-contract.ts';
import { memberContract } from './coordination-member-contract.ts';
import { recordingContract } from './coordination-recording-contract.ts';
import { sessionContract } from './coordination-session-contract.ts';
import { streamContract } from './coordination-stream-contract.ts';

/** Makes a node of one cluster; whoever started the cluster closes it. Ids are unique within a test. */
export type MakeNode = (nodeId: string, streamLimits?: StreamLogLimits) => Promise<Coordination>;

/** What every adapter promises. The store may hold anything else, and other tests' keys. */
export function coordinationContract(makeNode: MakeNode): void {
  sessionContract(makeNode);
  streamContract(makeNode);
  callContract(makeNode);
  busContract(makeNode);
  leaseContract(makeNode);
  catalogContract(makeNode);
  memberContract(makeNode);
  allowanceContract(makeNode);
  recordingContract(makeNode);
}
