import { randomUUID } from 'node:crypto';
import type { Owner } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { enabledHttpServers, sharedServers } from './all-servers.ts';
import { eq, gt } from './drizzle.ts';
import { driverError } from './errors.ts';
import type { Engine } from './orm.ts';
import { type OwnedServers, ownedServers, type ServerColumns, type ServerRow } from './owned-servers.ts';
import { pageSize } from './page-of.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { run } from './run.ts';
import { servers } from './schema.ts';
import type { Sealer } from './seal.ts';
import type {
  EveryServer,
  Page,
  PageRequest,
  ServerEra,
  ServerPatch,
  ServerRecord,
  ServerRepository,
  ServerSpec,
} from './server-record.ts';
import { targetColumns, toRecord } from './server-row.ts';

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Servers in the database. Secrets are sealed on the way in and opened on the way out. */
export class DatabaseServerRepository implements ServerRepository, EveryServer {
  readonly #engine: Engine;
  readonly #sealer: Sealer;

  constructor(engine: Engine, sealer: Sealer) {
    this.#engine = engine;
    this.#sealer = sealer;
  }

  async create(owner: Owner, spec: ServerSpec): Promise<ServerRecord> {
    const id = randomUUID();
    const row = {
      id,
      name: spec.name,
      ...targetColumns(this.#sealer, owner, id, spec.target),
      toolPrefix: spec.toolPrefix ?? null,
      enabled: spec.enabled,
      timeouts: spec.timeouts ?? null,
      toolTimeouts: spec.toolTimeouts ?? null,
      sharedWith: spec.sharedWith ?? null,
    };
    return this.#one(
      this.#run(owner, (mine) => mine.insert(row), spec.name),
      id,
    );
  }

  async get(owner: Owner, id: string): Promise<ServerRecord> {
    checkId(id);
    const rows = this.#run(owner, (mine) => mine.select(eq(servers.id, id)));
    return this.#one(
      rows.then(([row]) => row),
      id,
    );
  }

  async findByName(owner: Owner, name: string): Promise<ServerRecord> {
    // What is no name is nobody's, and PostgreSQL could not even be asked for some of it.
    const rows = NAME.test(name) ? await this.#run(owner, (mine) => mine.select(eq(servers.name, name))) : [];
    const [row] = rows;
    if (row === undefined)
      throw new GatewayError(Code.NotFound, `No server is named ${JSON.stringify(name.slice(0, 64))}`);
    return toRecord(this.#sealer, row);
  }

  async all(owner: Owner): Promise<readonly ServerRecord[]> {
    return this.#many(await this.#run(owner, (mine) => mine.select()));
  }

  async shared(tenantId: string): Promise<readonly ServerRecord[]> {
    return this.#many(await run(this.#engine, (orm) => sharedServers(orm, tenantId)));
  }

  async page(owner: Owner, request: PageRequest): Promise<Page<ServerRecord>> {
    const size = pageSize(request);
    const after = request.pageToken === undefined ? undefined : decodePageToken(request.pageToken);
    // One row more than asked for tells whether there is a next page.
    const [rows, total] = await this.#run(owner, (mine) =>
      Promise.all([
        mine.select(after === undefined ? undefined : gt(servers.ordinal, after), size + 1),
        mine.count(),
      ]),
    );
    const items = this.#many(rows.slice(0, size));
    const last = items.at(-1);
    const more = rows.length > size && last !== undefined;
    return { items, total, ...(more ? { nextPageToken: encodePageToken(last.ordinal) } : {}) };
  }

  async update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord> {
    checkId(id);
    const columns: Partial<ServerColumns> = {
      ...(patch.name === undefined ? {} : { name: patch.name }),
      ...(patch.target === undefined
        ? {}
        : { ...targetColumns(this.#sealer, owner, id, patch.target), era: null }),
      ...(patch.toolPrefix === undefined ? {} : { toolPrefix: patch.toolPrefix }),
      ...(patch.enabled === undefined ? {} : { enabled: patch.enabled }),
      ...(patch.timeouts === undefined ? {} : { timeouts: patch.timeouts }),
      ...(patch.toolTimeouts === undefined ? {} : { toolTimeouts: patch.toolTimeouts }),
      ...(patch.sharedWith === undefined ? {} : { sharedWith: patch.sharedWith }),
    };
    const updated = await this.#run(owner, (mine) => mine.update(id, columns, patch.revision), patch.name);
    if (updated !== undefined) return toRecord(this.#sealer, updated);
    if (patch.revision !== undefined) {
      // Throws where it is gone, which is another answer than that it has changed.
      await this.get(owner, id);
      throw new GatewayError(Code.Conflict, 'This server was changed by somebody else in the meantime');
    }
    throw notFound(id);
  }

  async delete(owner: Owner, id: string): Promise<ServerRecord> {
    checkId(id);
    return this.#one(
      this.#run(owner, (mine) => mine.delete(id)),
      id,
    );
  }

  async noteEra(owner: Owner, id: string, revision: number, era: ServerEra): Promise<void> {
    checkId(id);
    await this.#run(owner, (mine) => mine.noteEra(id, revision, era));
  }

  async enabledHttp(afterId: string | undefined, limit: number): Promise<readonly ServerRecord[]> {
    return this.#many(await run(this.#engine, (orm) => enabledHttpServers(orm, afterId, limit)));
  }

  /** Runs queries on an owner's servers; `name` is the one that may be taken already. */
  #run<T>(owner: Owner, queries: (mine: OwnedServers) => Promise<T>, name?: string): Promise<T> {
    return run(this.#engine, async (orm) => {
      try {
        return await queries(ownedServers(orm, owner));
      } catch (error) {
        throw constraintError(error, name);
      }
    });
  }

  async #one(row: Promise<ServerRow | undefined>, id: string): Promise<ServerRecord> {
    const found = await row;
    if (found === undefined) throw notFound(id);
    return toRecord(this.#sealer, found);
  }

  #many(rows: readonly ServerRow[]): ServerRecord[] {
    return rows.map((row) => toRecord(this.#sealer, row));
  }
}

/** Violations of the table's constraints, as errors for the caller. */
function constraintError(error: unknown, name: string | undefined): unknown {
  switch (driverError(error)?.constraint) {
    case 'servers_owner_name_key':
      return new GatewayError(Code.AlreadyExists, `A server named "${name}" exists already`);
    case 'servers_name_check':
      return invalidName();
    case 'servers_owner_fkey':
      return new GatewayError(Code.NotFound, 'This user does not exist');
    default:
      return error;
  }
}

/** An id that is not a UUID cannot be one of ours, and PostgreSQL would call it a syntax error. */
function checkId(id: string): void {
  if (!UUID.test(id)) throw notFound(id);
}

function notFound(id: string): GatewayError {
  return new GatewayError(Code.NotFound, `There is no server with the id ${JSON.stringify(id.slice(0, 64))}`);
}

function invalidName(): GatewayError {
  const description = 'may have letters, digits, "-" and "_", at least 1 and at most 64';
  return new GatewayError(Code.InvalidArgument, `A name ${description}`, {
    fields: [{ field: 'name', description }],
  });
}
