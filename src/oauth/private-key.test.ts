import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { Code, GatewayError } from '../protocol/errors.ts';
import { readPrivateKey } from './private-key.ts';

const pem = { format: 'pem', type: 'pkcs8' } as const;

test('a key is read as PEM and as JWK, and signs as its kind does', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  const ed = generateKeyPairSync('ed25519').privateKey;
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const algorithms = [ec, ed, rsa].flatMap((key) => [
    readPrivateKey(key.export(pem).toString()).key.algorithm.name,
    readPrivateKey(JSON.stringify(key.export({ format: 'jwk' }))).key.algorithm.name,
  ]);
  assert.deepEqual(
    algorithms,
    ['ECDSA', 'Ed25519', 'RSASSA-PKCS1-v1_5'].flatMap((name) => [name, name]),
  );
  const { key, kid } = readPrivateKey(
    JSON.stringify({ ...rsa.export({ format: 'jwk' }), alg: 'PS512', kid: 'k' }),
  );
  assert.deepEqual([key.algorithm.name, kid, key.extractable], ['RSA-PSS', 'k', false]);
});

test('what is no key to sign with is refused, and not quoted', () => {
  const secret = 'MIIEsecret';
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const text of [
    '',
    secret,
    `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----`,
    `{"kty":"oct","k":"${secret}"}`,
    `{"${secret}`,
    rsa.export(pem).toString(),
    publicKey.export({ format: 'pem', type: 'spki' }).toString(),
    JSON.stringify(publicKey.export({ format: 'jwk' })),
    generateKeyPairSync('x25519').privateKey.export(pem).toString(),
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export(pem).toString(),
  ])
    assert.throws(
      () => readPrivateKey(text),
      (error) =>
        error instanceof GatewayError &&
        error.code === Code.InvalidArgument &&
        error.cause === undefined &&
        !error.message.includes(secret),
      text.slice(0, 40),
    );
});
