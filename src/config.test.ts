import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { allowing } from '../test/support/networks.ts';
import { ConfigError, isLoopback, loadConfig, maskedConfig } from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'dragon-config-'));
after(() => rmSync(folder, { recursive: true }));

const KEY = Buffer.alloc(32, 7).toString('base64');
const OTHER_KEY = Buffer.alloc(32, 9).toString('base64url');

function load(env: Record<string, string>) {
  return loadConfig(env, { profileDir: folder });
}

function profile(name: string, content: unknown): void {
  writeFileSync(
    join(folder, `${name}.json`),
    typeof content === 'string' ? content : JSON.stringify(content),
  );
}

/** The lines of the ConfigError that these settings end in. */
function problems(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.message, error.problems.join('\n'));
    return error.problems;
  }
  assert.fail(`accepted: ${JSON.stringify(env)}`);
}

describe('defaults', () => {
  it('are complete', () => {
    const { nodeId, ...rest } = load({});
    assert.match(nodeId, /^[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{8}$/);
    assert.deepEqual(rest, {
      deploymentName: 'default',
      configDir: folder,
      host: '127.0.0.1',
      advertiseAddress: undefined,
      mcpPort: 8081,
      grpcPort: 8080,
      managementPort: 8558,
      databaseUrl: undefined,
      redisUrl: undefined,
      dataDir: join(homedir(), '.dragon'),
      auth: [],
      adminApiKey: undefined,
      apiKey: undefined,
      publicUrl: undefined,
      jwtIssuers: undefined,
      tokenExchangeIssuers: undefined,
      proxyAddresses: undefined,
      proxySecret: undefined,
      proxyUserHeader: 'x-forwarded-user',
      proxyTenantHeader: 'x-forwarded-tenant',
      proxyRolesHeader: 'x-forwarded-groups',
      proxyAdminRoles: ['admin'],
      allowUnauthenticated: false,
      allowedOrigins: [],
      allowedHosts: [],
      encryptionKeys: [],
      allowedNetworks: allowing('any'),
      stdio: 'auto',
      stdioAllowed: true,
      sseEndpoint: false,
      builtinTools: true,
      catalogTtlMs: 300_000,
      probeIntervalMs: 60_000,
      breakerFailures: 5,
      breakerPauseMs: 2000,
      pageSize: 1000,
      redisPrefix: 'dragon:',
      maxBodyBytes: 4_194_304,
      maxDownstreamMessageBytes: 67_108_864,
      maxJsonDepth: 128,
      maxInFlight: 10_000,
      maxInFlightPerPrincipal: 5000,
      maxInFlightPerServer: 1000,
      maxTurnMs: 30,
      maxStreamsPerPrincipal: 12_000,
      maxConnections: 25_000,
      workers: 1,
      connectTimeoutMs: 10_000,
      listTimeoutMs: 10_000,
      callTimeoutMs: 60_000,
      callMaxTimeoutMs: 600_000,
      parkTimeoutMs: 300_000,
      policy: undefined,
      limits: undefined,
      stdioStartTimeoutMs: 60_000,
      stdioIdleMs: 600_000,
      sessionIdleMs: 3_600_000,
      drainDelayMs: 0,
      shutdownTimeoutMs: 10_000,
      events: true,
      eventRetentionDays: 90,
      auditArguments: 'none',
      metricsMaxServers: 200,
      metricsMaxTools: 200,
      otelDisabled: false,
      otelTraces: undefined,
      otelMetrics: 'none',
      otelEndpoint: undefined,
      otelTracesEndpoint: undefined,
      otelMetricsEndpoint: undefined,
      otelProtocol: 'http/protobuf',
      otelSampler: 'parentbased_always_on',
      otelSamplerRatio: 1,
      otelSpanDelayMs: 5000,
      otelMetricIntervalMs: 60_000,
      logLevel: 'info',
      logFormat: 'auto',
      logBodies: false,
    });
  });

  it('hold for empty values too', () => {
    assert.equal(load({ DRAGON_MCP_PORT: '', DATABASE_URL: ' ', DRAGON_TYPO: '' }).mcpPort, 8081);
  });

  it('give each start a node id of its own', () => {
    assert.notEqual(load({}).nodeId, load({}).nodeId);
  });

  it('look for profiles in `config` under the working directory', () => {
    assert.equal(loadConfig({}).configDir, resolve('config'));
  });
});

describe('values', () => {
  it('are read from the environment', () => {
    const config = load({
      DATABASE_URL: 'postgresql://user:pass@host/db?sslmode=require',
      DRAGON_MCP_PORT: '0',
      DRAGON_GRPC_PORT: ' 0 ',
      DRAGON_NODE_ID: 'node-1',
      DRAGON_DATA_DIR: '~/elsewhere',
      DRAGON_ALLOWED_ORIGINS: 'https://App.example.com:443, http://localhost:3000,vscode-webview://abc',
      DRAGON_ALLOWED_HOSTS: 'Gateway.example.com,[::1]',
      DRAGON_BUILTIN_TOOLS: 'off',
      DRAGON_CALL_TIMEOUT_MS: '5',
    });
    assert.equal(config.databaseUrl, 'postgresql://user:pass@host/db?sslmode=require');
    assert.equal(config.mcpPort, 0);
    assert.equal(config.grpcPort, 0);
    assert.equal(config.nodeId, 'node-1');
    assert.equal(config.dataDir, join(homedir(), 'elsewhere'));
    assert.deepEqual(config.allowedOrigins, [
      'https://app.example.com',
      'http://localhost:3000',
      'vscode-webview://abc',
    ]);
    assert.deepEqual(config.allowedHosts, ['gateway.example.com', '::1']);
    assert.equal(config.builtinTools, false);
    assert.equal(config.callTimeoutMs, 5);
  });

  it('take a relative data folder from the working directory', () => {
    assert.equal(load({ DRAGON_DATA_DIR: 'data' }).dataDir, resolve('data'));
  });

  it('give the address that others are told, with a port or without', () => {
    for (const [text, address] of [
      ['gateway-1.internal', 'gateway-1.internal'],
      ['Gateway-1:9000', 'gateway-1:9000'],
      ['10.0.0.5:9000', '10.0.0.5:9000'],
      ['2001:DB8::7', '[2001:db8::7]'],
      ['[2001:db8::7]', '[2001:db8::7]'],
      ['[2001:db8::7]:9000', '[2001:db8::7]:9000'],
    ] as const) {
      assert.equal(load({ DRAGON_ADVERTISE_ADDRESS: text }).advertiseAddress, address);
    }
  });

  it('wait for a balancer to notice a stop where there can be one', () => {
    const cluster = { REDIS_URL: 'redis://host', DATABASE_URL: 'postgres://host/db' };
    assert.equal(load(cluster).drainDelayMs, 5000);
    assert.equal(load({ ...cluster, DRAGON_DRAIN_DELAY_MS: '0' }).drainDelayMs, 0);
    assert.equal(load({ DRAGON_DRAIN_DELAY_MS: '300' }).drainDelayMs, 300);
  });

  it('take a number of workers, or as many as there are processors', () => {
    assert.equal(load({}).workers, 1);
    assert.equal(load({ DRAGON_WORKERS: '64' }).workers, 64);
    assert.equal(load({ DRAGON_WORKERS: 'auto' }).workers, Math.min(availableParallelism(), 64));
  });

  it('are frozen, lists included', () => {
    const config = load({ DRAGON_ALLOWED_HOSTS: 'a' });
    assert.ok(Object.isFrozen(config));
    assert.ok(Object.isFrozen(config.allowedHosts));
    assert.ok(Object.isFrozen(load({}).allowedOrigins));
  });

  it('turn keys into key objects, the first one first', () => {
    const { encryptionKeys } = load({ DRAGON_ENCRYPTION_KEY: `${KEY}, ${OTHER_KEY}` });
    assert.deepEqual(
      encryptionKeys.map((key) => key.export()[0]),
      [7, 9],
    );
  });

  for (const [name, value, expected] of [
    ['DEPLOYMENT_NAME', '../etc/passwd', 'letters, digits'],
    ['DRAGON_MCP_PORT', '65536', 'a port from 0 to 65535'],
    ['DRAGON_GRPC_PORT', '8080.5', 'a port from 0 to 65535'],
    ['DRAGON_MANAGEMENT_PORT', '-1', 'a port from 0 to 65535'],
    ['DRAGON_HOST', 'http://localhost', 'an IP address or a host name'],
    ['DRAGON_HOST', '127.0.0.1:8080', 'an IP address or a host name'],
    ['DRAGON_HOST', '127.0.0', 'an IP address or a host name'],
    ['DRAGON_NODE_ID', 'a b', 'letters, digits'],
    ['DRAGON_LOG_LEVEL', 'verbose', 'one of debug, info, warn, error, silent'],
    ['DRAGON_LOG_FORMAT', 'text', 'one of auto, json, pretty'],
    ['DRAGON_STDIO', 'true', 'one of auto, on, off'],
    ['DRAGON_BUILTIN_TOOLS', 'maybe', 'on or off'],
    ['DRAGON_ALLOWED_ORIGINS', '*', 'origins'],
    ['DRAGON_ALLOWED_ORIGINS', 'https://a.example/path', 'origins'],
    ['DRAGON_ALLOWED_HOSTS', 'a:80', 'host names'],
    ['DRAGON_CALL_TIMEOUT_MS', '0', 'a whole number of milliseconds from 1 to 2147483647'],
    ['DRAGON_CALL_TIMEOUT_MS', '10s', 'a whole number of milliseconds'],
    ['DRAGON_SESSION_IDLE_MS', '2147483648', 'a whole number of milliseconds'],
    ['DRAGON_PAGE_SIZE', '0', 'a whole number from 1 to 10000'],
    ['DRAGON_WORKERS', '65', 'auto, or a whole number from 1 to 64'],
    ['DRAGON_WORKERS', '0', 'auto, or a whole number from 1 to 64'],
    ['DRAGON_WORKERS', '1.5', 'auto, or a whole number from 1 to 64'],
    ['DRAGON_MAX_BODY_BYTES', '1e6', 'a whole number of bytes'],
    ['DRAGON_MAX_JSON_DEPTH', '100000', 'a whole number from 8 to 1024'],
    ['DRAGON_ADVERTISE_ADDRESS', 'host:', 'a port'],
    ['DRAGON_ADVERTISE_ADDRESS', 'host:0', 'a port'],
    ['DRAGON_ADVERTISE_ADDRESS', 'host:65536', 'a port'],
    ['DRAGON_ADVERTISE_ADDRESS', 'http://host', 'a host name'],
    ['DRAGON_ADVERTISE_ADDRESS', '1:2:3', 'a host name'],
    ['DRAGON_DRAIN_DELAY_MS', '-1', 'from 0'],
  ] as const) {
    it(`refuse ${name}=${value}`, () => {
      const [problem = '', ...others] = problems({ [name]: value });
      assert.deepEqual(others, []);
      assert.ok(problem.startsWith(`${name}: ${JSON.stringify(value)} is not accepted; expected `), problem);
      assert.ok(problem.includes(expected), problem);
    });
  }

  for (const [name, value, expected] of [
    ['DATABASE_URL', 'mysql://user:hunter2@host/db', 'postgres://'],
    ['DATABASE_URL', 'postgres://user:hunter2@host:port/db', 'postgres://'],
    ['DATABASE_URL', 'postgres://user:hunter2@a:1,b:2/db', 'postgres://'],
    ['REDIS_URL', 'http://:hunter2@host', 'redis://'],
    ['DRAGON_ENCRYPTION_KEY', 'hunter2', 'openssl rand -base64 32'],
    ['DRAGON_ENCRYPTION_KEY', `${KEY},hunter2`, 'openssl rand -base64 32'],
    ['DRAGON_ENCRYPTION_KEY', Buffer.alloc(16).toString('base64'), '32 bytes'],
  ] as const) {
    it(`refuse ${name}=${value} without printing it`, () => {
      const [problem = '', ...others] = problems({ [name]: value });
      assert.deepEqual(others, []);
      assert.ok(problem.startsWith(`${name}: its value (hidden) is not accepted; expected `), problem);
      assert.ok(problem.includes(expected), problem);
      assert.ok(!problem.includes('hunter2') && !problem.includes(value), problem);
    });
  }

  it('are all reported at once', () => {
    const found = problems({ DRAGON_MCP_PORT: 'x', DRAGON_LOG_LEVEL: 'y', DRAGON_PROT: '1' });
    assert.deepEqual(found.map((problem) => problem.split(':')[0]).sort(), [
      'DRAGON_LOG_LEVEL',
      'DRAGON_MCP_PORT',
      'DRAGON_PROT',
    ]);
  });
});

describe('names', () => {
  it('that are unknown are refused, and the closest known one is named', () => {
    assert.deepEqual(problems({ DRAGON_MCP_PROT: '1' }), [
      'DRAGON_MCP_PROT: there is no such setting. The closest is DRAGON_MCP_PORT.',
    ]);
  });

  it('of other programs are none of our business', () => {
    assert.equal(load({ PATH: '/bin', DATABASE_URI: 'x', MY_DRAGON_PORT: 'x' }).mcpPort, 8081);
  });

  it('that Kubernetes sets for a service named "dragon" are ignored', () => {
    load({
      DRAGON_SERVICE_HOST: '10.0.0.1',
      DRAGON_SERVICE_PORT: '8081',
      DRAGON_SERVICE_PORT_MCP: '8081',
      DRAGON_PORT: 'tcp://10.0.0.1:8081',
      DRAGON_PORT_8081_TCP: 'tcp://10.0.0.1:8081',
      DRAGON_PORT_8081_TCP_ADDR: '10.0.0.1',
      DRAGON_CONSOLE_PORT_80_TCP_PROTO: 'tcp',
    });
  });
});

describe('contradictions', () => {
  it('an address for everybody needs a decision', () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.5', 'gateway.example.com']) {
      const [problem] = problems({ DRAGON_HOST: host });
      assert.match(
        problem ?? '',
        /^DRAGON_HOST: .*no authentication.*DRAGON_AUTH, or DRAGON_ALLOW_UNAUTHENTICATED=true/,
      );
    }
    const open = load({ DRAGON_HOST: '0.0.0.0', DRAGON_ALLOW_UNAUTHENTICATED: 'true' });
    assert.equal(open.host, '0.0.0.0');
  });

  it('processes are started on loopback only, unless told', () => {
    const open = { DRAGON_HOST: '0.0.0.0', DRAGON_ALLOW_UNAUTHENTICATED: 'true' };
    assert.equal(load(open).stdioAllowed, false);
    assert.equal(load({ ...open, DRAGON_STDIO: 'on' }).stdioAllowed, true);
    assert.equal(load({ DRAGON_STDIO: 'off' }).stdioAllowed, false);
    assert.equal(load({ DRAGON_HOST: '[::1]' }).stdioAllowed, true);
  });

  it('two ports are not the same, unless any is fine', () => {
    assert.match(
      problems({ DRAGON_MCP_PORT: '8080' })[0] ?? '',
      /^DRAGON_GRPC_PORT: 8080 is DRAGON_MCP_PORT too/,
    );
    load({ DRAGON_MCP_PORT: '0', DRAGON_GRPC_PORT: '0', DRAGON_MANAGEMENT_PORT: '0' });
  });

  it('the hard limit of a call is not below the soft one', () => {
    assert.match(
      problems({ DRAGON_CALL_TIMEOUT_MS: '700000' })[0] ?? '',
      /^DRAGON_CALL_MAX_TIMEOUT_MS: 600000 is shorter than DRAGON_CALL_TIMEOUT_MS \(700000\)/,
    );
  });
});

describe('profiles', () => {
  it('come between the environment and the defaults', () => {
    profile('staging', { DRAGON_MCP_PORT: 9001, DRAGON_GRPC_PORT: '9002', DRAGON_BUILTIN_TOOLS: false });
    const config = load({ DEPLOYMENT_NAME: 'staging', DRAGON_GRPC_PORT: '9003' });
    assert.deepEqual(
      [config.deploymentName, config.mcpPort, config.grpcPort, config.managementPort, config.builtinTools],
      ['staging', 9001, 9003, 8558, false],
    );
  });

  it('may hold lists', () => {
    profile('lists', { DRAGON_ALLOWED_HOSTS: ['a.example', 'b.example'] });
    assert.deepEqual(load({ DEPLOYMENT_NAME: 'lists' }).allowedHosts, ['a.example', 'b.example']);
  });

  it('are looked for in DRAGON_CONFIG_DIR', () => {
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'default.json'), '\uFEFF{"DRAGON_MCP_PORT": 7}');
    const config = load({ DRAGON_CONFIG_DIR: elsewhere });
    assert.equal(config.mcpPort, 7);
    assert.equal(config.configDir, elsewhere);
  });

  it('may be missing only where none was asked for', () => {
    assert.match(
      problems({ DEPLOYMENT_NAME: 'nowhere' })[0] ?? '',
      /^DEPLOYMENT_NAME: .*nowhere\.json does not exist\. .*DRAGON_CONFIG_DIR/,
    );
    load({ DEPLOYMENT_NAME: 'default' });
  });

  it('name the file when they are wrong', () => {
    profile('wrong', {
      DRAGON_MCP_PORT: 'x',
      DRAGON_GRPC_PORT: { a: 1 },
      DRAGON_PROT: 1,
      DEPLOYMENT_NAME: 'other',
      DATABASE_URL: 'hunter2',
    });
    const found = problems({ DEPLOYMENT_NAME: 'wrong' });
    assert.equal(found.length, 5);
    for (const problem of found) assert.ok(problem.includes(join(folder, 'wrong.json')), problem);
    assert.ok(!found.join().includes('hunter2'));
  });

  for (const content of ['{"DRAGON_MCP_PORT": ', '[]', 'null', '""', '']) {
    it(`are JSON objects, not ${content || 'empty'}`, () => {
      profile('broken', content);
      assert.match(
        problems({ DEPLOYMENT_NAME: 'broken' })[0] ?? '',
        /^DEPLOYMENT_NAME: .*broken\.json is not a JSON object/,
      );
    });
  }
});

describe('maskedConfig', () => {
  const url = 'postgres://user:hunter2@host/db';
  const config = load({ DATABASE_URL: url, DRAGON_ENCRYPTION_KEY: KEY, DRAGON_ALLOWED_HOSTS: 'a,b' });

  it('shows every setting by name, and no secret', () => {
    const shown = maskedConfig(config);
    assert.equal(shown['DATABASE_URL'], '***');
    assert.equal(shown['DRAGON_ENCRYPTION_KEY'], '***');
    assert.equal(shown['REDIS_URL'], null);
    assert.equal(shown['DRAGON_MCP_PORT'], 8081);
    assert.deepEqual(shown['DRAGON_ALLOWED_HOSTS'], ['a', 'b']);
    const text = JSON.stringify(shown);
    assert.ok(!text.includes('hunter2') && !text.includes(KEY));
  });

  it('shows secrets that are unset as unset', () => {
    const shown = maskedConfig(load({}));
    assert.equal(shown['DATABASE_URL'], null);
    assert.equal(shown['DRAGON_ENCRYPTION_KEY'], null);
  });

  it('is not needed for keys: their bytes show nowhere', () => {
    const text = JSON.stringify(config) + inspect(config, { depth: 9, showHidden: true });
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      assert.ok(!text.includes(Buffer.alloc(32, 7).toString(encoding)));
    }
  });
});

describe('isLoopback', () => {
  for (const host of [
    '127.0.0.1',
    '127.255.0.3',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    'localhost',
  ]) {
    it(`${host} is`, () => assert.equal(isLoopback(host), true));
  }
  for (const host of [
    '0.0.0.0',
    '::',
    '128.0.0.1',
    '::2',
    'localhost.example.com',
    '127.0.0.1.example.com',
    '',
  ]) {
    it(`${host || 'nothing'} is not`, () => assert.equal(isLoopback(host), false));
  }
});
