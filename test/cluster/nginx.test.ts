import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { findNginx, startNginx } from '../support/nginx.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const nginx = await findNginx();
const skip = nginx === undefined && 'nginx is not installed';
const skipStream = nginx?.loadStream === undefined && 'nginx, or its stream module, is not installed';

async function serve(t: TestContext, listener: RequestListener) {
  const http: Server = createServer(listener).listen(0, '127.0.0.1');
  await once(http, 'listening');
  const stop = () => {
    http.close();
    http.closeAllConnections();
  };
  t.after(stop);
  return { address: `127.0.0.1:${(http.address() as AddressInfo).port}`, stop };
}

async function inFront(t: TestContext, addresses: readonly string[]) {
  const nodes = addresses.map((address) => ({ mcp: address, management: address, ops: address }));
  const running = await startNginx(nginx!, nodes);
  t.after(() => running.stop());
  return running;
}

const ask = async (url: string, init: RequestInit = { method: 'POST', body: '{}' }) => {
  const response = await fetch(url, init);
  return { status: response.status, text: await response.text() };
};

describe('deploy/nginx/nginx.conf', { skip }, () => {
  const named = (name: string): RequestListener => {
    return (request, response) => {
      request.resume().on('end', () => response.end(name));
    };
  };

  it('gives each request to the next node', async (t) => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => serve(t, named(name))));
    const { mcpUrl } = await inFront(
      t,
      nodes.map(({ address }) => address),
    );
    // Workers of nginx share the turn, so any three in a row are all three.
    const answers = [];
    for (let i = 0; i < 6; i++) answers.push((await ask(mcpUrl)).text);
    assert.deepEqual(answers.slice(0, 3).sort(), ['a', 'b', 'c']);
    assert.deepEqual(answers.slice(3), answers.slice(0, 3));
  });

  it('tries another node where the connection was refused', async (t) => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => serve(t, named(name))));
    const { mcpUrl } = await inFront(
      t,
      nodes.map(({ address }) => address),
    );
    nodes[1]!.stop();
    for (let i = 0; i < 6; i++) assert.match((await ask(mcpUrl)).text, /^[ac]$/);
  });

  it('gives what a stopping node gives back to another, and soon leaves that node alone', async (t) => {
    const given: string[] = [];
    const isStopping = new Set<string>();
    const node =
      (name: string): RequestListener =>
      (request, response) => {
        let body = '';
        request.on('data', (chunk) => {
          body += chunk;
        });
        request.on('end', () => {
          if (request.url === '/readyz') {
            response.writeHead(isStopping.has(name) ? 503 : 200).end();
          } else if (isStopping.has(name) && request.headers['dragon-elsewhere'] !== undefined) {
            given.push(name);
            response.writeHead(503, { 'x-accel-redirect': '@elsewhere' }).end();
          } else {
            response.end(`${name} ${request.method} ${body}`);
          }
        });
      };
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => serve(t, node(name))));
    const { mcpUrl } = await inFront(
      t,
      nodes.map(({ address }) => address),
    );
    isStopping.add('a');
    // Until the node that stops has been found out, a third of all requests goes there first.
    await until(
      async () => {
        const before = given.length;
        for (let i = 0; i < 6; i++) {
          const { status, text } = await ask(mcpUrl, { method: 'POST', body: `call ${i}` });
          assert.deepEqual([status, text.slice(1)], [200, ` POST call ${i}`]);
        }
        return before > 0 && given.length === before;
      },
      { what: 'nginx to leave the node alone' },
    );
    // A client cannot say that it can do without an answer; and where all stop, they serve as long as they can.
    for (const name of ['b', 'c']) isStopping.add(name);
    const headers = { 'dragon-elsewhere': '1' };
    const { status, text } = await ask(mcpUrl, { method: 'POST', body: 'last', headers });
    assert.deepEqual([status, text.slice(1)], [200, ' POST last']);
    assert.ok((await ask(new URL('/readyz', mcpUrl).href, {})).status >= 500);
  });

  it('does not send a call twice', async (t) => {
    let came = 0;
    const rude: RequestListener = (request, response) => {
      if (request.method === 'GET') {
        response.end();
        return;
      }
      came++;
      request.resume().on('end', () => request.socket.destroy());
    };
    const nodes = await Promise.all([rude, rude, rude].map((listener) => serve(t, listener)));
    const { mcpUrl } = await inFront(
      t,
      nodes.map(({ address }) => address),
    );
    assert.equal((await ask(mcpUrl)).status, 502);
    assert.equal(came, 1);
  });

  it('tells the name that the gateway was called by, and takes bodies of 4 MiB', async (t) => {
    const echo: RequestListener = (request, response) => {
      let size = 0;
      request.on('data', (chunk) => {
        size += chunk.length;
      });
      request.on('end', () => response.end(`${request.headers.host} ${size}`));
    };
    const node = await serve(t, echo);
    const { mcpUrl } = await inFront(t, [node.address, node.address, node.address]);
    const body = Buffer.alloc(4 * 1024 * 1024);
    assert.deepEqual(await ask(mcpUrl, { method: 'POST', body }), {
      status: 200,
      text: `${new URL(mcpUrl).host} ${body.length}`,
    });
  });

  it('lets events of a gateway through as they come', async (t) => {
    const gateway = await Gateway.start();
    t.after(() => gateway.stop());
    const { host } = new URL(gateway.mcpUrl);
    const { mcpUrl } = await inFront(t, [host, host, host]);
    const client = new RawClient(mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const listening = await client.stream();
    assert.match(String(listening.headers['content-type']), /^text\/event-stream/);
    listening.close();
    let beforeTheEnd = 0;
    const call = client.request(
      'tools/call',
      {
        name: 'streaming_example',
        arguments: { message: 'hello', count: 3 },
        _meta: { progressToken: 'p' },
      },
      { onMessage: () => void beforeTheEnd++ },
    );
    const { message } = await call;
    assert.equal(beforeTheEnd, 3);
    assert.match(textOf(message!), /hello/);
    assert.equal((await client.delete()).status, 204);
  });

  it('balances the ports of management and operations by connection', { skip: skipStream }, async (t) => {
    const gateway = await Gateway.start();
    t.after(() => gateway.stop());
    const node = {
      mcp: new URL(gateway.mcpUrl).host,
      management: new URL(gateway.grpcUrl).host,
      ops: new URL(gateway.opsUrl).host,
    };
    const running = await startNginx(nginx!, [node, node, node]);
    t.after(() => running.stop());
    assert.equal((await ask(`${running.managementUrl}/readyz`, {})).status, 200);
    const members = JSON.parse((await ask(`${running.opsUrl}/cluster/members`, {})).text);
    assert.equal(members[0].state, 'ready');
  });
});
