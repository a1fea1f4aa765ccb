import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { allowing } from '../../test/support/networks.ts';
import { NetworkGuard } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { createGuardedFetcher } from './guarded-fetch.ts';

/** A server that a log-in was led to, and what it was asked for. */
async function start(t: TestContext, allowed: string) {
  const asked: string[] = [];
  const http = createServer(({ url = '' }, response) => {
    asked.push(url);
    if (url === '/moved') response.writeHead(307, { location: '/' }).end();
    else if (url === '/large') Readable.from(Array(100).fill('x'.repeat(65_536))).pipe(response);
    else response.end('here');
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const networks = new NetworkGuard(allowing(allowed));
  const { fetch, close } = createGuardedFetcher({ networks, timeoutMs: 60_000 });
  t.after(async () => {
    await close();
    http.closeAllConnections();
    http.close();
  });
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { asked, fetch: (path: string) => fetch(origin + path) };
}

const is = (code: Code, message: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === code && message.test(error.message);

test('a redirect is an answer as others', async (t) => {
  const { asked, fetch } = await start(t, 'loopback');
  assert.equal(await (await fetch('/')).text(), 'here');
  const { status, headers } = await fetch('/moved');
  assert.deepEqual([status, headers.get('location'), asked], [307, '/', ['/', '/moved']]);
});

test('an answer is read as far as one can be of use', async (t) => {
  const { fetch } = await start(t, 'loopback');
  await assert.rejects(fetch('/large'), is(Code.DownstreamProtocol, /answered too much/));
});

test('nothing is asked where no connection may go', async (t) => {
  const { asked, fetch } = await start(t, '');
  await assert.rejects(fetch('/'), is(Code.FailedPrecondition, /is a loopback address/));
  assert.deepEqual(asked, []);
});
