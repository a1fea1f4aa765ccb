import { Code, GatewayError } from '../protocol/errors.ts';
import { loadPostgresDriver } from './drizzle.ts';
import { databaseError } from './errors.ts';
import { migrate } from './migrate.ts';
import type { Engine, Orm } from './orm.ts';
import { type Patience, patiently, reasonOf } from './patience.ts';
import { PostgresSockets } from './postgres-sockets.ts';

const OLDEST_VERSION = 12;
const CONNECT_TIMEOUT_S = 10;
const CLOSE_TIMEOUT_S = 5;

/**
 * Connects to PostgreSQL, schema up to date. With `patience` one that is not there yet is waited for. What is thrown names
 * DATABASE_URL and the host, and no password.
 */
export function openPostgres(databaseUrl: string, patience?: Patience): Promise<Engine> {
  return connect(databaseUrl, migrate, patience);
}

/** As above, with the schema as it is, and at once. */
export function openPostgresAsIs(databaseUrl: string): Promise<Engine> {
  return connect(databaseUrl, async () => undefined);
}

async function connect(
  databaseUrl: string,
  prepare: (orm: Orm) => Promise<void>,
  patience?: Patience,
): Promise<Engine> {
  const { default: postgres } = await import('postgres');
  const sockets = new PostgresSockets();
  const options = {
    socket: sockets.connect,
    connect_timeout: CONNECT_TIMEOUT_S,
    connection: { application_name: 'dragon-mcp-gateway' },
    // Array types are looked up for queries that this gateway does not make.
    fetch_types: false,
    // Short, since queries wait for it: a caller is told soon, and finds the database back within a second.
    backoff: (attempt: number) => (0.5 + Math.random() / 2) * Math.min(0.05 * 2 ** attempt, 1),
    onnotice: () => undefined,
  };
  const client = postgres(databaseUrl, options);
  const close = () => client.end({ timeout: CLOSE_TIMEOUT_S });
  const { host, port } = client.options;
  const place = `${host[0]}:${port[0]}`;
  const open = async (): Promise<Orm> => {
    const [row] = await client<
      { version: number }[]
    >`select current_setting('server_version_num')::int as version`;
    const version = Math.floor((row?.version ?? 0) / 10_000);
    if (version < OLDEST_VERSION) {
      throw new GatewayError(
        Code.FailedPrecondition,
        `The PostgreSQL at ${place} (DATABASE_URL) is version ${version}; the oldest that works is ${OLDEST_VERSION}`,
      );
    }
    const orm = loadPostgresDriver()(client);
    await prepare(orm);
    return orm;
  };
  try {
    const orm = patience === undefined ? await open() : await patiently(open, patience);
    return { orm, reset: () => sockets.reset(), close };
  } catch (error) {
    await close();
    throw error instanceof GatewayError ? error : cannotUse(place, error);
  }
}

/** An error of the start: for the operator, who is told what the driver said. */
function cannotUse(place: string, error: unknown): GatewayError {
  const code = databaseError(error).code === Code.Unavailable ? Code.Unavailable : Code.FailedPrecondition;
  return new GatewayError(
    code,
    `The PostgreSQL at ${place} (DATABASE_URL) cannot be used: ${reasonOf(error)}`,
    {
      cause: error,
    },
  );
}
