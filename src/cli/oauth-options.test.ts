import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  ServerOAuth_AuthMethod as AuthMethod,
  ServerOAuth_Grant as Grant,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { oauthMessage, oauthOf } from './oauth-options.ts';

test('a client is put together of the options about it, its key read from a file', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'dragon-oauth-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'key.pem');
  writeFileSync(file, 'the key');
  const options = {
    oauthGrant: 'client_credentials',
    oauthClientId: 'c',
    oauthPrivateKey: file,
    oauthAuthMethod: 'private_key_jwt',
    oauthScope: ['a', 'b'],
  };
  assert.deepEqual(oauthMessage(options), {
    grant: Grant.CLIENT_CREDENTIALS,
    clientId: 'c',
    clientSecret: '',
    privateKey: 'the key',
    tokenEndpointAuthMethod: AuthMethod.PRIVATE_KEY_JWT,
    scopes: ['a', 'b'],
    issuer: '',
    audience: '',
  });
  const exchange = { ...options, oauthGrant: 'token_exchange', oauthAudience: 'api://docs' };
  assert.equal(oauthMessage(exchange).grant, Grant.TOKEN_EXCHANGE);
  assert.equal(oauthMessage(exchange).audience, 'api://docs');
});

test('a word that is none and a file that is not there are refused by the option', () => {
  const grant = { oauthGrant: 'client_credentials' };
  assert.throws(() => oauthMessage({ oauthClientId: 'c' }), /--oauth-grant: expected/);
  assert.throws(() => oauthMessage({ oauthGrant: 'password' }), /--oauth-grant: expected/);
  assert.throws(() => oauthMessage({ ...grant, oauthAuthMethod: 'none' }), /--oauth-auth-method: expected/);
  assert.throws(
    () => oauthMessage({ ...grant, oauthPrivateKey: '/nowhere/key.pem' }),
    /cannot be read \(ENOENT\)/,
  );
});

test('without an option about it there is none', () => {
  assert.equal(oauthOf({}), undefined);
  assert.deepEqual(oauthOf({ oauthScope: ['a'] }), { oauthScope: ['a'] });
});
