import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';

/** An authorization server that does nothing but exchange tokens (RFC 8693), for one client. Believes what it is shown. */
export class ExchangeServer {
  readonly url: string;
  /** What came to its token endpoint with the client's secret, in order. */
  readonly forms: URLSearchParams[] = [];
  /** Every token that it has given out. */
  readonly given: string[] = [];
  /** Whatever came, to any place. */
  requests = 0;
  tokenSeconds = 3600;
  /** An error with which every exchange is answered. */
  refusal: string | undefined;
  readonly #http: Server;
  readonly #credentials: string;
  readonly #tokens = new Map<string, { readonly subject: string; readonly until: number }>();

  private constructor(http: Server, clientId: string, clientSecret: string) {
    this.#http = http;
    this.#credentials = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    http.on('request', (request, response) => void this.#handle(request, response));
  }

  static async start(clientId: string, clientSecret: string): Promise<ExchangeServer> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return new ExchangeServer(http, clientId, clientSecret);
  }

  /** Whom a token stands for that is good now. */
  subjectOf(authorization: string | undefined): string | undefined {
    const known = this.#tokens.get(authorization?.replace(/^Bearer /, '') ?? '');
    return known !== undefined && Date.now() < known.until ? known.subject : undefined;
  }

  /** None of those that it has given out is good any more. */
  forgetTokens(): void {
    this.#tokens.clear();
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests++;
    const answer = (status: number, json: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    if (request.url === '/.well-known/oauth-authorization-server')
      return void answer(200, { issuer: this.url, token_endpoint: `${this.url}/token` });
    if (request.url !== '/token') return void answer(404, {});
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.headers.authorization !== this.#credentials)
      return void answer(401, { error: 'invalid_client' });
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    this.forms.push(form);
    if (this.refusal !== undefined) return void answer(400, { error: this.refusal });
    const token = `exchanged-${crypto.randomUUID()}`;
    const subject = decodeJwt(form.get('subject_token') ?? '').sub ?? '';
    this.#tokens.set(token, { subject, until: Date.now() + this.tokenSeconds * 1000 });
    this.given.push(token);
    answer(200, {
      access_token: token,
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: this.tokenSeconds,
    });
  }
}
