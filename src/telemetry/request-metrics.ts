import { Labels } from './labels.ts';
import { MCP_METHODS } from './mcp-methods.ts';
import { CountedTimes, countsOf, timesOf } from './outcomes.ts';
import type { Tallies } from './tallies.ts';
import type { Metrics } from './types.ts';

/** Far more than the management API has. */
const MAX_METHODS = 100;

/** Seconds that a request may cost before its server is asked: from a look into a map to a wait for a limit. */
const OVERHEAD_BUCKETS = [
  0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5,
];

/** What is asked of the gateway, on its MCP endpoint and on the management port. */
export function requestMetrics(tallies: Tallies): Pick<Metrics, 'request' | 'management' | 'overhead'> {
  const counts = countsOf(tallies, { name: 'dragon.requests', description: 'Requests, answered' });
  const mcpTimes = timesOf(tallies, {
    name: 'mcp.server.operation.duration',
    description: 'Time from the arrival of a request of an MCP client to the end of its answer',
  });
  const rpcTimes = timesOf(tallies, {
    name: 'rpc.server.call.duration',
    description: 'Time of a call of the management API',
  });
  const overhead = tallies.histogram(
    {
      name: 'dragon.request.overhead',
      unit: 's',
      description: 'Time of a request in the gateway until its server is asked; all of it where none is',
    },
    OVERHEAD_BUCKETS,
  );
  const mcp = (face: string) =>
    new Labels(
      { known: MCP_METHODS },
      (method) => new CountedTimes(counts({ method, face }), mcpTimes({ 'mcp.method.name': method, face })),
    );
  const faces = { legacy: mcp('legacy'), modern: mcp('modern') };
  const overheads = { legacy: overhead({ face: 'legacy' }), modern: overhead({ face: 'modern' }) };
  const management = new Labels(
    { max: MAX_METHODS },
    (method) =>
      new CountedTimes(
        counts({ method, face: 'management' }),
        rpcTimes({ 'rpc.method': method, 'rpc.system.name': 'connectrpc' }),
      ),
  );
  return {
    request(method, outcome, seconds, face = 'legacy') {
      faces[face].of(method).record(outcome, seconds);
    },
    management(method, outcome, seconds) {
      management.of(method).record(outcome, seconds);
    },
    overhead(seconds, face) {
      overheads[face].record(seconds);
    },
  };
}
