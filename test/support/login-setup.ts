import { CountingServer } from './counting-http.ts';
import { Gateway, type GatewayOptions } from './gateway.ts';
import { LoginProvider } from './login-provider.ts';
import { ProtectedServer } from './protected-server.ts';
import type { RawClient } from './raw-client.ts';

/** A gateway with a server `docs` that wants a log-in. */
export class LoginSetup {
  readonly provider: LoginProvider;
  readonly backend: CountingServer;
  readonly server: ProtectedServer;
  readonly gateway: Gateway;

  private constructor(
    provider: LoginProvider,
    backend: CountingServer,
    server: ProtectedServer,
    gateway: Gateway,
  ) {
    this.provider = provider;
    this.backend = backend;
    this.server = server;
    this.gateway = gateway;
  }

  static async start(options: GatewayOptions = {}): Promise<LoginSetup> {
    const provider = await LoginProvider.start();
    const backend = await CountingServer.start();
    const server = await ProtectedServer.start(backend.url, provider);
    const gateway = await Gateway.start(options);
    return new LoginSetup(provider, backend, server, gateway);
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await Promise.all([this.server.close(), this.backend.close(), this.provider.close()]);
  }

  async state(): Promise<unknown> {
    return (await this.gateway.manage('GetLoginStatusForMcpServer', DOCS))['state'];
  }

  async loginUrl(): Promise<string> {
    return String((await this.gateway.manage('LoginMcpServer', DOCS))['url']);
  }
}

export const DOCS = { server: { name: 'docs' } };

/** Names of the tools that a client sees. */
export async function toolsOf(client: RawClient): Promise<readonly string[]> {
  const { message } = await client.request('tools/list');
  const tools: readonly { name: string }[] = message?.result?.tools ?? [];
  return tools.map(({ name }) => name);
}
