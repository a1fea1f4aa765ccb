import { Code, GatewayError } from './protocol/errors.ts';

/** What an operator can mend about a failed start; undefined for a fault of ours. */
export function startFailure(error: unknown): string | undefined {
  if (error instanceof GatewayError && error.code !== Code.Internal) return error.message;
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') {
    return `Port ${port} is in use; another gateway may be running. Choose other ports with DRAGON_MCP_PORT, DRAGON_GRPC_PORT and DRAGON_MANAGEMENT_PORT (0: any free one).`;
  }
  if (code === 'EACCES') return `Port ${port} may not be listened on by this user; choose one above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `DRAGON_HOST: this machine has no address ${address}.`;
  return undefined;
}
