import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findNginx } from '../support/nginx.ts';
import { until } from '../support/wait.ts';
import type { Scope } from './scope.ts';
import { freePort, output } from './tools.ts';

/** Where nginx is, and its version; undefined where it is not installed. */
export async function findBareNginx(): Promise<{ path: string; description: string } | undefined> {
  const found = await findNginx();
  if (found === undefined) return undefined;
  const about = await output(['/bin/sh', '-c', '"$0" -v 2>&1', found.path]);
  return { path: found.path, description: about.trim().replace('nginx version: ', '').replace('/', ' ') };
}

/**
 * As a bare reverse proxy of one process, with connections to the server behind it kept open. It passes each piece of an
 * answer on as it comes.
 */
export async function startBareNginx(
  scope: Scope,
  path: string,
  prefix: readonly string[],
  target: URL,
  folder: string,
): Promise<{ url: string; pid: number }> {
  const port = await freePort();
  const home = join(folder, `nginx-${port}`);
  await mkdir(home);
  await chmod(home, 0o711);
  const conf = join(home, 'nginx.conf');
  await writeFile(conf, configuration(home, port, target));
  const [file, ...args] = [...prefix, path, '-p', home, '-c', conf, '-e', join(home, 'error.log')];
  const child = spawn(file!, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const closed = once(child, 'close');
  const kill = () => child.kill();
  process.once('exit', kill);
  scope.onEnd(async () => {
    process.off('exit', kill);
    child.kill();
    await closed;
    await rm(home, { recursive: true, force: true });
  });
  const url = `http://127.0.0.1:${port}${target.pathname}`;
  await until(async () => (await fetch(url, { method: 'DELETE' })).ok, { what: 'nginx' });
  return { url, pid: child.pid! };
}

function configuration(home: string, port: number, target: URL): string {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${join(home, kind)};`,
  );
  return `daemon off;
master_process off;
pid ${join(home, 'pid')};
error_log ${join(home, 'error.log')} error;
events { worker_connections 20000; }
http {
${temp.join('\n')}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 64m;
  client_body_buffer_size 4m;
  upstream behind {
    server ${target.host};
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`;
}
