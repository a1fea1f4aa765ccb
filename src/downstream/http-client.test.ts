import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { allowing } from '../../test/support/networks.ts';
import { NetworkGuard, type Resolve } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { endpointOf, HttpClient } from './http-client.ts';

/** A server on loopback, and what a client with this setting gets from it, under names that a resolver makes up. */
async function start(t: TestContext, allowed: string, ...answers: readonly (readonly string[])[]) {
  let connections = 0;
  const paths: string[] = [];
  const server = createServer(({ url = '' }, response) => {
    paths.push(url);
    if (url === '/') response.writeHead(302, { location: '/x' }).end();
    else response.end();
  });
  server.on('connection', () => connections++).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const left = [...answers];
  const resolve: Resolve = (_host, _options, callback) => {
    const addresses = left.shift() ?? [];
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  const networks = new NetworkGuard(allowing(allowed), resolve);
  const client = new HttpClient({ networks, connectTimeoutMs: 60_000, maxMessageBytes: 1024 });
  t.after(async () => {
    await client.close();
    server.close();
  });
  const ask = (origin: string, headers: string[] = []) =>
    new Promise<number>((done, fail) => {
      client.dispatch(endpointOf(`${origin}:${port}/`), 'POST', headers, '{}', {
        onResponseStart: (_, status) => done(status),
        onResponseError: (_, error) => fail(error),
        onRequestStart() {},
        onResponseData() {},
        onResponseEnd() {},
      });
    });
  return { ask, networks, paths, connections: () => connections };
}

const refused = (text: string) => (error: unknown) => {
  assert.ok(error instanceof GatewayError);
  assert.equal(error.code, Code.FailedPrecondition);
  assert.match(error.message, /DRAGON_ALLOWED_NETWORKS/);
  assert.match(error.message, new RegExp(text));
  return true;
};

for (const scheme of ['http', 'https']) {
  test(`${scheme}: no connection is made to an address, or a name, that leads inside`, async (t) => {
    const { ask, connections } = await start(t, '', ['127.0.0.1'], ['93.184.216.34', '::ffff:127.0.0.1']);
    for (const host of ['127.0.0.1', '0x7f.1', '[::1]', '[::ffff:7f00:1]'])
      await assert.rejects(ask(`${scheme}://${host}`), refused('is a loopback address'));
    await assert.rejects(ask(`${scheme}://tools.example`), refused('tools.example leads to a loopback'));
    await assert.rejects(ask(`${scheme}://tools.example`), refused('tools.example leads to a loopback'));
    assert.equal(connections(), 0);
  });

  test(`${scheme}: the metadata service is refused also where any network is allowed`, async (t) => {
    const { ask } = await start(t, 'any', ['169.254.169.254']);
    await assert.rejects(ask(`${scheme}://169.254.169.254`), refused('metadata'));
    await assert.rejects(ask(`${scheme}://tools.example`), refused('metadata'));
  });
}

test('a socket connects to the address that was checked, and a redirect is an answer as others', async (t) => {
  const { ask, paths, connections } = await start(t, 'tools.example', ['127.0.0.1']);
  assert.equal(await ask('http://tools.example'), 302);
  assert.deepEqual([connections(), paths], [1, ['/']]);
});

test('a header that HTTP does not have is not sent, nor is anything else', async (t) => {
  const { ask, connections } = await start(t, 'loopback');
  for (const header of [
    ['x-one', 'a\r\nx-two: b'],
    ['x-one', 'a\nb'],
    ['x-one', 'a\0b'],
    ['x-one', '€'],
    ['x one', 'a'],
    ['x-one: a\r\nx-two', 'b'],
    ['', 'a'],
  ])
    await assert.rejects(
      ask('http://127.0.0.1', header),
      (error) => error instanceof GatewayError && error.code === Code.InvalidArgument,
      JSON.stringify(header),
    );
  assert.equal(connections(), 0);
});

test('a name that has moved inside since it was checked is refused', async (t) => {
  const { networks } = await start(t, '', ['93.184.216.34'], ['127.0.0.1']);
  const look = () =>
    new Promise((done, fail) => {
      networks.lookup('tools.example', { all: true }, (error, found) => (error ? fail(error) : done(found)));
    });
  assert.deepEqual(await look(), [{ address: '93.184.216.34', family: 4 }]);
  await assert.rejects(look(), refused('loopback'));
});
