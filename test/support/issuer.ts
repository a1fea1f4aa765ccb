import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';

export interface SignOptions {
  readonly alg?: string;
  /** The name of the key in the token's head; that of the key that signs unless given. */
  readonly kid?: string;
  /** What signs in place of the issuer's key. */
  readonly key?: CryptoKey | Uint8Array;
  readonly typ?: string;
}

/** An authorization server as far as a resource server sees it: metadata, keys, and tokens. */
export class Issuer {
  readonly url: string;
  /** How often its keys were asked for. */
  keysAsked = 0;
  metadataAsked = 0;
  /** Answers 503 to everything. */
  isDown = false;
  /** The public half of the key that signs. */
  jwk: JWK;
  #privateKey: CryptoKey;
  #kids = 1;
  readonly #http: Server;

  private constructor(http: Server, privateKey: CryptoKey, jwk: JWK) {
    this.#http = http;
    this.#privateKey = privateKey;
    this.jwk = jwk;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/realm`;
    http.on('request', (request, response) => {
      const answer = this.isDown ? undefined : this.#answer(request.url ?? '');
      response.writeHead(this.isDown ? 503 : answer === undefined ? 404 : 200).end(JSON.stringify(answer));
    });
  }

  static async start(): Promise<Issuer> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const { privateKey, jwk } = await newKey('key-1');
    return new Issuer(http, privateKey, jwk);
  }

  /** A token of a user, good for a minute; what `claims` sets to undefined is left out. */
  async token(claims: JWTPayload = {}, options: SignOptions = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: this.url, sub: 'ann', iat: now, exp: now + 60 };
    const { alg = 'RS256', kid = this.jwk.kid, typ, key = this.#privateKey } = options;
    return await new SignJWT({ ...usual, ...claims })
      .setProtectedHeader({
        alg,
        ...(kid === undefined ? {} : { kid }),
        ...(typ === undefined ? {} : { typ }),
      })
      .sign(key);
  }

  /** Signs with a new key from now on; the old one is withdrawn. */
  async rotate(): Promise<void> {
    const { privateKey, jwk } = await newKey(`key-${++this.#kids}`);
    this.#privateKey = privateKey;
    this.jwk = jwk;
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  #answer(path: string): unknown {
    const { origin } = new URL(this.url);
    if (path === '/realm/.well-known/openid-configuration') {
      this.metadataAsked += 1;
      return { issuer: this.url, jwks_uri: `${origin}/realm/keys` };
    }
    if (path !== '/realm/keys') return undefined;
    this.keysAsked += 1;
    return { keys: [this.jwk] };
  }
}

async function newKey(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' } };
}
