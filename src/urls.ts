/** Where people reach a gateway. */
export interface Urls {
  readonly mcp: string;
  readonly management: string;
  readonly ops: string;
}

interface Ports {
  readonly mcp: number;
  readonly management: number;
  readonly ops: number;
}

export function urlsOf(host: string, ports: Ports): Urls {
  const at = (port: number) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { mcp: `${at(ports.mcp)}/mcp`, management: at(ports.management), ops: at(ports.ops) };
}
