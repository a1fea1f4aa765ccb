import { once } from 'node:events';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LoginProvider } from './login-provider.ts';

/** An HTTP request to the MCP endpoint, as far as who makes it goes. */
export interface SeenCredential {
  readonly authorization: string | undefined;
  readonly status: number | 'passed';
  /** The method of JSON-RPC; undefined for what is none. */
  readonly method: string | undefined;
}

/** Puts an MCP server behind an authorization server: whoever has no token of it gets 401, and is told where to go. */
export class ProtectedServer {
  readonly url: string;
  readonly seen: SeenCredential[] = [];
  /** Scope without which requests whose body has this text get 403. */
  more: { readonly text: string; readonly scope: string } | undefined;
  /** Serves those as well who show nothing. */
  isOpen = false;
  /** Takes no token, however good it is. */
  isRejecting = false;
  /** Named in the place of the provider. */
  authorizationServer: string | undefined;
  readonly #http: Server;
  readonly #backend: URL;
  readonly #provider: LoginProvider;

  private constructor(http: Server, backend: string, provider: LoginProvider) {
    this.#http = http;
    this.#backend = new URL(backend);
    this.#provider = provider;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    http.on('request', (request, response) => void this.#handle(request, response));
  }

  static async start(backend: string, provider: LoginProvider): Promise<ProtectedServer> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return new ProtectedServer(http, backend, provider);
  }

  /** The token of the last request that had a good one. */
  get token(): string {
    const last = this.seen.findLast(({ status }) => status === 'passed');
    return last?.authorization?.replace(/^Bearer /, '') ?? '';
  }

  /** Ends that token, as far as this server goes. */
  async endToken(): Promise<void> {
    await (await this.#provider.find(this.token))?.destroy();
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { origin } = new URL(this.url);
    if (request.url === '/.well-known/oauth-protected-resource/mcp') {
      const metadata = {
        resource: this.url,
        authorization_servers: [this.authorizationServer ?? this.#provider.issuer],
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(metadata));
      return;
    }
    if (request.url !== '/mcp') {
      response.writeHead(404).end();
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const method = /"method":"([^"]+)"/.exec(body.toString('latin1'))?.[1];
    const refuse = (status: number, challenge: string) => {
      this.seen.push({ authorization, status, method });
      response.writeHead(status, { 'www-authenticate': challenge }).end();
    };
    const { authorization } = request.headers;
    const token = authorization?.replace(/^Bearer /, '') ?? '';
    const known = token === '' ? undefined : await this.#provider.find(token);
    const metadata = `resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`;
    const isAnonymous = this.isOpen && token === '';
    if (!isAnonymous && (known?.aud !== this.url || this.isRejecting))
      return refuse(401, `Bearer scope="mcp:use", ${metadata}`);
    const needed = this.more !== undefined && body.includes(this.more.text) ? this.more.scope : undefined;
    if (needed !== undefined && !known?.scope?.split(' ').includes(needed)) {
      const challenge = `Bearer error="insufficient_scope", scope="${needed}", ${metadata}`;
      return refuse(403, challenge);
    }
    this.seen.push({ authorization, status: 'passed', method });
    this.#pass(request, body, response);
  }

  #pass(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const { authorization: _, ...headers } = request.headers;
    const passed = httpRequest(this.#backend, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    passed.on('error', () => response.destroy());
    response.on('close', () => passed.destroy());
    passed.end(body);
  }
}
