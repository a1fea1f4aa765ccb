import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly stop_grace_period?: string;
}

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

const compose = parse(await read('docker-compose.yml'), { merge: true });
const services = compose.services as Readonly<Record<string, Service>>;
const gateways = Object.entries(services).filter(([name]) => name.startsWith('gateway-'));

/** As compose does it where .env sets nothing. */
const withDefaults = (text: string) => text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');

/** Variables that the image sets. */
async function imageEnvironment(): Promise<Record<string, string>> {
  const block = /^ENV ((?:.*\\\n)*.*)$/m.exec((await read('Dockerfile')).split(/^FROM /m).at(-1)!)![1]!;
  return Object.fromEntries([...block.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]));
}

describe('docker-compose.yml', () => {
  it('has three gateways that differ in their name only, with settings that they take', async () => {
    assert.equal(gateways.length, 3);
    const [{ environment, stop_grace_period: grace }] = gateways.map(([, service]) => service) as [Service];
    for (const [name, service] of gateways) {
      assert.deepEqual({ ...service, hostname: name }, { ...gateways[0]![1], hostname: name });
    }
    const set = Object.entries(environment!).map(([name, value]) => [name, withDefaults(value)]);
    const config = loadConfig({ ...(await imageEnvironment()), ...Object.fromEntries(set) });
    assert.equal(config.host, '0.0.0.0');
    assert.match(String(config.redisUrl), /@redis:6379$/);
    assert.ok(Number.parseInt(grace!, 10) * 1000 > config.shutdownTimeoutMs);
  });

  it('publishes ports on loopback only, each to one that the balancer listens on', async () => {
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    assert.deepEqual(published, services['balancer']!.ports);
    const listening = [...(await read('deploy/nginx/nginx.conf')).matchAll(/listen (\d+);/g)];
    assert.deepEqual(published.sort(), listening.map(([, port]) => `127.0.0.1:${port}:${port}`).sort());
  });

  it('has every node behind the balancer', async () => {
    const conf = await read('deploy/nginx/nginx.conf');
    const names = gateways.map(([name]) => name);
    for (const port of [8080, 8081, 8558]) {
      const behind = [...conf.matchAll(new RegExp(`server (\\S+):${port} `, 'g'))].map(([, name]) => name);
      assert.deepEqual(behind, names);
    }
    assert.deepEqual(Object.keys(services['balancer']!.depends_on!), names);
  });

  it('documents every variable that it reads', async () => {
    const used = [...(await read('docker-compose.yml')).matchAll(/\$\{(\w+):/g)].map(([, name]) => name!);
    const documented = [...(await read('.env.example')).matchAll(/^(\w+)=$/gm)].map(([, name]) => name!);
    assert.deepEqual([...new Set(used)].sort(), documented.sort());
  });

  it('runs the demo server that the tests are run with', async () => {
    const { devDependencies } = JSON.parse(await read('package.json'));
    const name = '@modelcontextprotocol/server-everything';
    assert.ok(services['everything']!.command!.includes(`${name}@${devDependencies[name]}`));
  });
});
