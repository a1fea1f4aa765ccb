/**
 * The layers of docs/architecture.md, checked by `npm test`. Types count as imports: a layer that only names a type of
 * another still depends on it. Parsed with swc, since dependency-cruiser does not know TypeScript 7.
 */

/** Types that any layer may name, and that import nothing of ours but each other. */
const SHARED = [
  'auth/principal',
  'db/server-record',
  'db/api-key-record',
  'db/event-record',
  'events/event',
  'db/oauth-record',
  'protocol/',
  'telemetry/types',
];

/** Folder → what it may import of ours, besides itself. A path ending in `/` is a folder, else a file without `.ts`. */
const LAYERS = {
  protocol: [],
  ipc: ['protocol/errors', 'telemetry/types'],
  coordination: ['protocol/errors', 'telemetry/types', 'ipc/', 'turn-end'],
  jobs: ['protocol/errors', 'telemetry/types'],
  telemetry: [],
  auth: [...SHARED, 'coordination/bus'],
  db: [...SHARED, 'ipc/'],
  events: [...SHARED, 'coordination/', 'telemetry/redact', 'turn-end'],
  session: [...SHARED, 'coordination/'],
  networks: ['protocol/errors'],
  limits: [
    'auth/principal',
    'protocol/errors',
    'policy/selectors',
    'policy/reading',
    'coordination/',
    'telemetry/types',
  ],
  policy: ['auth/principal', 'protocol/'],
  downstream: [...SHARED, 'coordination/', 'networks/', 'turn-end'],
  catalog: [...SHARED, 'db/page-of', 'policy/', 'downstream/', 'networks/', 'coordination/', 'jobs/'],
  oauth: [
    ...SHARED,
    'auth/subject-tokens',
    'coordination/bus',
    'networks/',
    'downstream/credentials',
    'downstream/login-required',
    'downstream/port',
    'downstream/server-id',
    'downstream/tls-agent',
  ],
  admission: ['auth/principal', 'protocol/errors'],
  router: [
    ...SHARED,
    'admission/',
    'limits/',
    'catalog/',
    'downstream/',
    'session/',
    'coordination/',
    'telemetry/mcp-methods',
  ],
  admin: [
    ...SHARED,
    'catalog/',
    'session/',
    'auth/',
    'db/',
    'oauth/',
    'gen/',
    'coordination/members',
    'recording/',
  ],
  edge: [
    ...SHARED,
    'auth/',
    'admission/',
    'session/',
    'router/',
    'admin/',
    'oauth/',
    'downstream/port',
    'downstream/forwarding-sink',
    'coordination/members',
    'recording/',
    'turn-end',
  ],
  recording: [...SHARED, 'coordination/', 'telemetry/redact'],
  config: ['config', 'networks/', 'policy/rules', 'limits/rules', ...SHARED],
  doctor: ['config', 'config/', 'db/', 'coordination/redis/inspect', 'start-failure'],
  cli: ['config', 'config/', 'policy/', 'doctor/', 'auth/principal', 'main', 'version', 'gen/'],
  workers: ['config', 'ipc/', 'protocol/errors', 'telemetry/types'],
  gen: [],
};

/** npm packages (a name ending in `/` is a scope), and the only places that may import them. */
const VENDORS = [
  { name: 'hono', packages: ['hono', '@hono/'], places: ['edge/'] },
  { name: 'undici', packages: ['undici'], places: ['downstream/', 'oauth/'] },
  { name: 'oauth', packages: ['oauth4webapi'], places: ['oauth/wire'] },
  { name: 'database', packages: ['drizzle-orm', 'postgres', '@electric-sql/'], places: ['db/'] },
  { name: 'redis', packages: ['ioredis'], places: ['coordination/redis/'] },
  { name: 'bullmq', packages: ['bullmq'], places: ['jobs/bullmq'] },
  { name: 'connect', packages: ['@connectrpc/'], places: ['admin/', 'edge/', 'cli/'] },
  { name: 'telemetry', packages: ['@opentelemetry/', 'pino', 'pino-pretty'], places: ['telemetry/'] },
  { name: 'cel', packages: ['@bufbuild/cel'], places: ['policy/condition'] },
  { name: 'jose', packages: ['jose'], places: ['auth/jwt/'] },
  { name: 'cli', packages: ['commander', 'cli-table3', 'string-argv', 'jsonc-parser'], places: ['cli/'] },
  { name: 'mcp-sdk', packages: ['@modelcontextprotocol/'], places: ['downstream/', 'cli/'] },
];

const CODE = '^src/';
const TESTS = '[.]test[.]ts$';

function pathOf(name) {
  return name.endsWith('/') ? `^src/${name}` : `^src/${name}[.]ts$`;
}

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Files that import each other cannot be understood or tested apart.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere also hides from the other rules.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-dev-dependencies',
      comment: 'The published package installs without them.',
      severity: 'error',
      from: { path: CODE, pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'protocol-is-pure',
      comment: 'protocol/ does no I/O: of Node it may use hashing, bytes and text only.',
      severity: 'error',
      from: { path: '^src/protocol/', pathNot: TESTS },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer|string_decoder|util|url)$' },
    },
    {
      name: 'edge-is-the-top',
      comment:
        'Only the composition root builds the edge: a node, what it stands on, and the primary of workers.',
      severity: 'error',
      from: { path: CODE, pathNot: '^src/(edge/|(compose|core|foundation|primary)[.]ts$)' },
      to: { path: '^src/edge/' },
    },
    {
      name: 'composition-root',
      comment:
        'compose.ts, with core.ts, is the only place that picks adapters; only what runs the process calls it.',
      severity: 'error',
      from: { path: CODE, pathNot: '^src/(compose|core|main|run|primary|run-worker)[.]ts$' },
      to: { path: '^src/(compose|core)[.]ts$' },
    },
    ...Object.entries(LAYERS).map(([layer, allowed]) => ({
      name: `layer-${layer}`,
      comment:
        allowed.length === 0
          ? `${layer}/ imports nothing of ours.`
          : `${layer}/ imports only: ${allowed.join(', ')}`,
      severity: 'error',
      from: { path: `^src/${layer}/`, pathNot: TESTS },
      to: { path: CODE, pathNot: [`^src/${layer}/`, ...allowed.map(pathOf)] },
    })),
    ...VENDORS.map(({ name, packages, places }) => ({
      name: `vendor-${name}`,
      comment: `Only ${places.join(', ')} may know these packages.`,
      severity: 'error',
      from: { path: CODE, pathNot: [TESTS, ...places.map(pathOf)] },
      to: { path: packages.map((name) => `node_modules/${name.endsWith('/') ? name : `${name}/`}`) },
    })),
  ],
  options: {
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
