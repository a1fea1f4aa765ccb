import { createServer } from 'node:net';
import { startFailure } from '../start-failure.ts';
import { type Finding, fault, ok, reasonOf, skipped, warning } from './finding.ts';

interface PortSettings {
  readonly host: string;
  readonly mcpPort: number;
  readonly grpcPort: number;
  readonly managementPort: number;
}

export interface PortReport {
  readonly findings: readonly Finding[];
  /** Whether a gateway answers on these ports. */
  readonly isRunning: boolean;
}

const PATIENCE_MS = 3000;

/** Whether each port can be listened on, or is held by a gateway that answers. */
export async function checkPorts(settings: PortSettings): Promise<PortReport> {
  const { host } = settings;
  const ports = [
    ['DRAGON_MCP_PORT', settings.mcpPort, '/readyz'],
    ['DRAGON_GRPC_PORT', settings.grpcPort, '/readyz'],
    ['DRAGON_MANAGEMENT_PORT', settings.managementPort, '/ready'],
  ] as const;
  const reports = await Promise.all(ports.map(([name, port, path]) => checkPort(host, name, port, path)));
  return {
    findings: reports.map(({ finding }) => finding),
    isRunning: reports.some(({ isDragon }) => isDragon),
  };
}

async function checkPort(
  host: string,
  name: string,
  port: number,
  path: string,
): Promise<{ readonly finding: Finding; readonly isDragon: boolean }> {
  const check = `port ${port}`;
  const answer = (finding: Finding, isDragon = false) => ({ finding, isDragon });
  if (port === 0) return answer(skipped(`port of ${name}`, 'any free one (0)'));
  const failure = await listenFailure(host, port);
  if (failure === undefined) return answer(ok(check, `free (${name})`));
  if (failure.code !== 'EADDRINUSE') {
    const message = startFailure(failure) ?? reasonOf(failure);
    return answer(fault(check, `cannot be listened on (${name}): ${failure.code}`, message));
  }
  const readiness = await readinessAt(host, port, path);
  if (readiness === undefined) {
    return answer(
      fault(
        check,
        `in use, and what answers there is no gateway (${name})`,
        `Stop what has it (ss -ltnp 'sport = :${port}' tells), or set ${name} to another port.`,
      ),
    );
  }
  if (readiness.ready) return answer(ok(check, `a gateway answers, and is ready (${name})`), true);
  const reasons = readiness.reasons.join('; ');
  return answer(
    warning(check, `a gateway answers, and is not ready: ${reasons} (${name})`, 'See its log.'),
    true,
  );
}

function listenFailure(host: string, port: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', resolve);
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** What a gateway says of itself; undefined for whatever else is there. */
async function readinessAt(
  host: string,
  port: number,
  path: string,
): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] } | undefined> {
  const name =
    host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${name}:${port}${path}`, {
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const said: unknown = JSON.parse((await response.text()).slice(0, 10_000));
    if (typeof said !== 'object' || said === null) return undefined;
    const { ready, reasons } = said as Record<string, unknown>;
    if (typeof ready !== 'boolean' || !Array.isArray(reasons)) return undefined;
    return { ready, reasons: reasons.map(String) };
  } catch {
    return undefined;
  }
}
