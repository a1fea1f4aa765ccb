import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startManagement } from './management-start.ts';

// An independent client (grpc-go and connect-go) that knows no schema but what reflection tells.

const BUF = fileURLToPath(new URL('../../node_modules/.bin/buf', import.meta.url));
const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

const PROTOCOLS: Record<string, readonly string[]> = {
  gRPC: ['--protocol', 'grpc', '--http2-prior-knowledge'],
  'gRPC-Web over HTTP/1.1': ['--protocol', 'grpcweb'],
  'gRPC-Web over h2c': ['--protocol', 'grpcweb', '--http2-prior-knowledge'],
  'Connect over HTTP/1.1': ['--protocol', 'connect'],
  'Connect over h2c': ['--protocol', 'connect', '--http2-prior-knowledge'],
};

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function bufCurl(context: TestContext, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { timeout: 60_000, signal: context.signal };
    execFile(BUF, ['curl', ...args], options, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code ?? 1), stdout, stderr });
    });
  });
}

for (const [name, flags] of Object.entries(PROTOCOLS)) {
  test(`buf curl over ${name} makes a server knowing no schema, and is told of a duplicate`, async (context) => {
    const { url, servers } = await startManagement(context);
    const call = () =>
      bufCurl(
        context,
        ...flags,
        '--data',
        '{"name":"my-mcp-server","url":"http://localhost:9000"}',
        `${url}/${SERVICE}/CreateMcpServer`,
      );
    const made = await call();
    assert.equal(made.status, 0, made.stderr);
    const { server } = JSON.parse(made.stdout) as { server: Record<string, unknown> };
    assert.equal(server['name'], 'my-mcp-server');
    assert.equal(server['url'], 'http://localhost:9000');
    assert.equal(server['toolPrefix'], 'my-mcp-server');
    assert.equal(servers.records.size, 1);

    const duplicate = await call();
    assert.notEqual(duplicate.status, 0);
    const error = JSON.parse(duplicate.stderr) as { code: string; details: { type: string }[] };
    assert.equal(error.code, 'already_exists');
    assert.equal(error.details[0]?.type, 'google.rpc.BadRequest');
  });
}

for (const version of ['grpc-v1', 'grpc-v1alpha']) {
  test(`reflection ${version} lists services and methods`, async (context) => {
    const { url } = await startManagement(context);
    const flags = ['--http2-prior-knowledge', '--reflect-protocol', version];
    const services = await bufCurl(context, ...flags, '--list-services', url);
    assert.equal(services.status, 0, services.stderr);
    assert.deepEqual(services.stdout.trim().split('\n').sort(), [
      SERVICE,
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
    ]);
    const methods = await bufCurl(context, ...flags, '--list-methods', url);
    assert.equal(methods.status, 0, methods.stderr);
    assert.match(methods.stdout, new RegExp(`${SERVICE}/ListResourceTemplates`));
  });
}

test('buf curl asks the health service', async (context) => {
  const { url, readiness } = await startManagement(context);
  const check = async (service: string) =>
    await bufCurl(
      context,
      '--protocol',
      'grpc',
      '--http2-prior-knowledge',
      '--data',
      JSON.stringify({ service }),
      `${url}/grpc.health.v1.Health/Check`,
    );
  for (const service of ['', SERVICE]) {
    assert.deepEqual(JSON.parse((await check(service)).stdout), { status: 'SERVING' });
  }
  readiness.ready = false;
  assert.deepEqual(JSON.parse((await check('')).stdout), { status: 'NOT_SERVING' });
  assert.match((await check('no.Such')).stderr, /not_found/);
});
