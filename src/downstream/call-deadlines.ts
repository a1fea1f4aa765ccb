import type { CallTimeouts } from '../db/server-record.ts';
import type { Deadlines, DownstreamServer } from './port.ts';

/** The deadlines of a call: the tool's own, else its server's, else the gateway's, each limit for itself. */
export function callDeadlines(
  gateway: Deadlines,
  server: Pick<DownstreamServer, 'timeouts' | 'toolTimeouts'>,
  tool?: string,
): Deadlines {
  const { timeouts, toolTimeouts } = server;
  const ofServer = narrowed(gateway, timeouts);
  if (tool === undefined || toolTimeouts === undefined || !Object.hasOwn(toolTimeouts, tool)) return ofServer;
  return narrowed(ofServer, toolTimeouts[tool]);
}

/** The deadlines of a call of which only the server is known: the longest that any of its tools may have. */
export function longestDeadlines(
  gateway: Deadlines,
  server: Pick<DownstreamServer, 'timeouts' | 'toolTimeouts'>,
): Deadlines {
  const tools = Object.keys(server.toolTimeouts ?? {});
  const all = [callDeadlines(gateway, server), ...tools.map((tool) => callDeadlines(gateway, server, tool))];
  return {
    idleMs: Math.max(...all.map(({ idleMs }) => idleMs)),
    totalMs: Math.max(...all.map(({ totalMs }) => totalMs)),
  };
}

/** Of a limit that is chosen and one that is not, the chosen one counts: the other gives way, so that idle fits in total. */
function narrowed(wider: Deadlines, chosen: CallTimeouts | undefined): Deadlines {
  if (chosen === undefined) return wider;
  const totalMs = chosen.totalMs ?? Math.max(wider.totalMs, chosen.idleMs ?? 0);
  return { totalMs, idleMs: chosen.idleMs ?? Math.min(wider.idleMs, totalMs) };
}
