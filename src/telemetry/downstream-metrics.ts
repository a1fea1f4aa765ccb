import { Labels } from './labels.ts';
import { MCP_METHODS } from './mcp-methods.ts';
import { countsOf, type OutcomeCounts, type OutcomeTimes, timesOf } from './outcomes.ts';
import type { Tallies } from './tallies.ts';
import type { Metrics } from './types.ts';

export interface DownstreamBounds {
  /** Servers with series of their own; those beyond share `other`. */
  readonly maxServers: number;
  /** Tools with series of their own, of all servers together; those beyond share `other` with the rest of their server. */
  readonly maxTools: number;
}

interface Series {
  readonly counts: OutcomeCounts;
  readonly methods: Labels<OutcomeTimes>;
  readonly tools: Map<string, OutcomeTimes>;
  /** Of the tools that there is no room for. */
  otherTools: OutcomeTimes | undefined;
  readonly timesOfTool: (tool: string) => OutcomeTimes;
}

/** What servers are asked. Names of tools are those that servers list: what a client makes up never gets here. */
export function downstreamMetrics(
  tallies: Tallies,
  { maxServers, maxTools }: DownstreamBounds,
): Metrics['downstream'] {
  const counts = countsOf(tallies, {
    name: 'dragon.downstream.requests',
    description: 'Requests to downstream servers',
  });
  const times = timesOf(tallies, {
    name: 'mcp.client.operation.duration',
    description: 'Time that a downstream server was waited for, until the end of its answer',
  });
  let toolRoom = maxTools;
  const servers = new Labels<Series>({ max: maxServers }, (server) => ({
    counts: counts({ server }),
    methods: new Labels({ known: MCP_METHODS }, (method) => times({ 'mcp.method.name': method, server })),
    tools: new Map(),
    otherTools: undefined,
    timesOfTool: (tool) => times({ 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': tool, server }),
  }));
  const ofTool = (series: Series, tool: string): OutcomeTimes => {
    const known = series.tools.get(tool);
    if (known !== undefined) return known;
    if (toolRoom <= 0 || series === servers.other) {
      series.otherTools ??= series.timesOfTool('other');
      return series.otherTools;
    }
    toolRoom--;
    const made = series.timesOfTool(tool);
    series.tools.set(tool, made);
    return made;
  };
  return (server, outcome, seconds, method, tool) => {
    const series = servers.of(server);
    series.counts.count(outcome);
    (tool === undefined ? series.methods.of(method) : ofTool(series, tool)).record(outcome, seconds);
  };
}
