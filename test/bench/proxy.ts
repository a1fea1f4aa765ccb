/**
 * The least that a proxy on node:http does: each request is passed on over a pooled connection, each body piped.
 * Usage: `proxy.ts TARGET_URL`; prints its own URL. The gateway's numbers are ratios to it.
 */
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const target = new URL(process.argv[2] ?? '');
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer((incoming, outgoing) => {
  const { method, url: path, headers } = incoming;
  const passed = http.request(
    { hostname: target.hostname, port: target.port, method, path, headers, agent },
    (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      // A stream that a client opens may have nothing to say for long.
      if (method === 'GET') outgoing.flushHeaders();
      answer.pipe(outgoing);
    },
  );
  passed.on('error', () => outgoing.destroy());
  incoming.pipe(passed);
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}${target.pathname}`);
