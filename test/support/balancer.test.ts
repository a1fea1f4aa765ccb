import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Balancer } from './balancer.ts';
import { until } from './wait.ts';

async function backend(t: TestContext, listener: RequestListener) {
  const state = { ready: true };
  const http = createServer((request, response) => {
    if (request.url === '/readyz') response.writeHead(state.ready ? 200 : 503).end();
    else listener(request, response);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => stop(http));
  return { state, http, origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

function stop(http: Server): void {
  http.close();
  http.closeAllConnections();
}

async function balance(t: TestContext, ...backends: readonly { origin: string }[]): Promise<Balancer> {
  const origins = backends.map(({ origin }) => origin);
  const balancer = await Balancer.start({ backends: origins });
  t.after(() => balancer.close());
  await until(() => balancer.ready.length === origins.length, { what: 'the backends' });
  return balancer;
}

const named = (name: string): RequestListener => {
  return (request, response) => {
    request.resume().on('end', () => response.end(name));
  };
};

const ask = async (balancer: Balancer) => {
  const response = await fetch(balancer.url, { method: 'POST', body: '{}' });
  return `${response.status} ${await response.text()}`;
};

describe('balancer', () => {
  it('gives each request to the next backend, and counts', async (t) => {
    const backends = await Promise.all(['a', 'b', 'c'].map((name) => backend(t, named(name))));
    const balancer = await balance(t, ...backends);
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push(await ask(balancer));
    assert.deepEqual(answers.slice(0, 3), answers.slice(3));
    assert.deepEqual(answers.slice(0, 3).sort(), ['200 a', '200 b', '200 c']);
    assert.deepEqual(
      backends.map(({ origin }) => balancer.counts[origin]),
      [2, 2, 2],
    );
  });

  it('leaves out a backend that is not ready until it is again', async (t) => {
    const [a, b] = await Promise.all([backend(t, named('a')), backend(t, named('b'))]);
    const balancer = await balance(t, a, b);
    a.state.ready = false;
    await until(() => balancer.ready.length === 1, { what: 'a to be out' });
    assert.deepEqual(await Promise.all([ask(balancer), ask(balancer)]), ['200 b', '200 b']);
    a.state.ready = true;
    await until(() => balancer.ready.length === 2, { what: 'a to be back' });
    assert.deepEqual((await Promise.all([ask(balancer), ask(balancer)])).sort(), ['200 a', '200 b']);
  });

  it('takes backends in and out, and says 503 without any', async (t) => {
    const [a, b] = await Promise.all([backend(t, named('a')), backend(t, named('b'))]);
    const balancer = await balance(t, a);
    balancer.add(b.origin);
    await until(() => balancer.ready.length === 2, { what: 'b' });
    balancer.remove(a.origin);
    assert.deepEqual(await Promise.all([ask(balancer), ask(balancer)]), ['200 b', '200 b']);
    balancer.remove(b.origin);
    const response = await fetch(balancer.url);
    assert.equal(response.status, 503);
    assert.equal(response.headers.get('retry-after'), '1');
  });

  it('tries another backend where the connection was refused', async (t) => {
    const [a, b] = await Promise.all([backend(t, named('a')), backend(t, named('b'))]);
    const balancer = await balance(t, a, b);
    stop(a.http);
    assert.deepEqual(await Promise.all([ask(balancer), ask(balancer)]), ['200 b', '200 b']);
    assert.equal(balancer.counts[a.origin], 0);
    assert.equal(balancer.broken, 0);
  });

  it('does not send a request twice', async (t) => {
    let came = 0;
    const rude: RequestListener = (request) => {
      came++;
      request.resume().on('end', () => request.socket.destroy());
    };
    const [a, b] = await Promise.all([backend(t, rude), backend(t, rude)]);
    const balancer = await balance(t, a, b);
    assert.match(await ask(balancer), /^502 /);
    assert.equal(came, 1);
    assert.equal(balancer.broken, 1);
  });

  it('passes a stream on as it comes, and its end', async (t) => {
    const steps: (() => void)[] = [];
    const stream = await backend(t, (request, response) => {
      request.resume();
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      steps.push(
        () => response.write('data: 1\n\n'),
        () => response.destroy(),
      );
    });
    const balancer = await balance(t, stream);
    const response = await fetch(balancer.url);
    assert.equal(response.headers.get('x-backend'), stream.origin);
    const reader = response.body!.getReader();
    steps[0]!();
    const { value } = await reader.read();
    assert.equal(new TextDecoder().decode(value), 'data: 1\n\n');
    steps[1]!();
    await assert.rejects(reader.read());
  });

  it('slows a backend down to the pace of the client', async (t) => {
    const size = 64 * 1024 * 1024;
    let written = 0;
    const flood = await backend(t, (request, response) => {
      request.resume();
      const chunk = Buffer.alloc(64 * 1024);
      const pour = () => {
        while (written < size) {
          written += chunk.length;
          if (!response.write(chunk)) return response.once('drain', pour);
        }
        return response.end();
      };
      pour();
    });
    const balancer = await balance(t, flood);
    const outgoing = httpRequest(balancer.url).end();
    const [response] = await once(outgoing, 'response');
    let last = -1;
    await until(
      () => {
        const stands = written === last;
        last = written;
        return stands && written > 0;
      },
      { what: 'the backend to be held up' },
    );
    assert.ok(written < size, 'everything was taken though nobody read it');
    let read = 0;
    for await (const chunk of response) read += chunk.length;
    assert.equal(read, size);
  });

  it('closes the connection to the backend when the client goes', async (t) => {
    let open = 0;
    const stream = await backend(t, (request, response) => {
      request.resume();
      open++;
      response.on('close', () => open--);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    const balancer = await balance(t, stream);
    const outgoing = httpRequest(balancer.url).end();
    await once(outgoing, 'response');
    assert.equal(open, 1);
    outgoing.destroy();
    await until(() => open === 0, { what: 'the connection to close' });
  });
});
