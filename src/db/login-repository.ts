import type { SQL } from 'drizzle-orm';
import type { Owner } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { and, eq, gt, isNotNull, isNull, lt, not, or, sql } from './drizzle.ts';
import {
  type Invitation,
  LOGIN_TTL_MS,
  type LoginChallenge,
  type LoginRecord,
  type LoginRepository,
  type OAuthClient,
  type OAuthTokens,
  type PendingLogin,
} from './oauth-record.ts';
import type { Engine, Orm } from './orm.ts';
import { run } from './run.ts';
import { oauthClients, oauthLogins, oauthTokens, servers } from './schema.ts';
import type { Sealer, SealPlace } from './seal.ts';

type Table = typeof oauthTokens | typeof oauthClients | typeof oauthLogins;

/** Log-ins to servers in the database: the one place where their tables are read and written. */
export class DatabaseLoginRepository implements LoginRepository {
  readonly #engine: Engine;
  readonly #sealer: Sealer;

  constructor(engine: Engine, sealer: Sealer) {
    this.#engine = engine;
    this.#sealer = sealer;
  }

  async read(owner: Owner, serverId: string): Promise<LoginRecord | undefined> {
    const [row] = await run(this.#engine, (orm) =>
      orm
        .select()
        .from(oauthTokens)
        .where(mine(oauthTokens, owner, serverId)),
    );
    if (row === undefined) return undefined;
    const { url, version } = row;
    const challenge = row.challenge === null ? {} : { challenge: row.challenge };
    const tokens = this.#open<OAuthTokens>(row.sealed, { owner, serverId, field: 'oauth_tokens' });
    if (row.state === 'active' && tokens !== undefined)
      return { url, state: 'active', version, tokens, ...challenge };
    return { url, state: row.state === 'active' ? 'expired' : row.state, version, ...challenge };
  }

  async noteChallenge(owner: Owner, serverId: string, url: string, challenge: LoginChallenge): Promise<void> {
    const isSame = sql`${oauthTokens.url} = ${url}`;
    await this.#put(
      owner,
      serverId,
      { url, state: 'needed', challenge },
      {
        url,
        challenge,
        state: sql`case when ${isSame} then ${oauthTokens.state} else 'needed' end`,
        sealed: sql`case when ${isSame} then ${oauthTokens.sealed} end`,
        version: sql`case when ${isSame} then ${oauthTokens.version} else ${oauthTokens.version} + 1 end`,
      },
    );
  }

  async save(
    owner: Owner,
    serverId: string,
    tokens: OAuthTokens,
    version?: number,
  ): Promise<number | undefined> {
    const sealed = this.#seal(tokens, { owner, serverId, field: 'oauth_tokens' });
    const columns = { url: tokens.url, state: 'active' as const, sealed, claimedUntil: null };
    const next = { ...columns, version: sql`${oauthTokens.version} + 1`, updatedAt: sql`now()` };
    if (version === undefined) return this.#put(owner, serverId, columns, next);
    const [row] = await run(this.#engine, (orm) =>
      orm
        .update(oauthTokens)
        .set(next)
        .where(mine(oauthTokens, owner, serverId, eq(oauthTokens.version, version)))
        .returning({ version: oauthTokens.version }),
    );
    return row?.version;
  }

  async claim(owner: Owner, serverId: string, version: number, forMs: number): Promise<boolean> {
    const isFree = or(isNull(oauthTokens.claimedUntil), lt(oauthTokens.claimedUntil, sql`now()`));
    const claimed = await run(this.#engine, (orm) =>
      orm
        .update(oauthTokens)
        .set({ claimedUntil: sql`now() + ${forMs} * interval '1 millisecond'` })
        .where(mine(oauthTokens, owner, serverId, and(eq(oauthTokens.version, version), isFree)))
        .returning({ version: oauthTokens.version }),
    );
    return claimed.length === 1;
  }

  async unclaim(owner: Owner, serverId: string, version: number): Promise<void> {
    await run(this.#engine, (orm) =>
      orm
        .update(oauthTokens)
        .set({ claimedUntil: null })
        .where(mine(oauthTokens, owner, serverId, eq(oauthTokens.version, version))),
    );
  }

  async expire(owner: Owner, serverId: string, version: number): Promise<void> {
    await this.#drop(owner, serverId, 'expired', eq(oauthTokens.version, version));
  }

  async forget(owner: Owner, serverId: string): Promise<OAuthTokens | undefined> {
    const known = await this.read(owner, serverId);
    await this.#drop(owner, serverId, 'needed');
    return known?.tokens;
  }

  async ofServer(owner: Owner, serverId: string): Promise<readonly OAuthTokens[]> {
    const rows = await run(this.#engine, (orm) =>
      orm
        .select()
        .from(oauthTokens)
        .where(and(eq(oauthTokens.serverId, serverId), eq(oauthTokens.tenantId, owner.tenantId))),
    );
    return this.#tokensIn(rows);
  }

  async forgetOthers(owner: Owner, serverId: string): Promise<readonly OAuthTokens[]> {
    const ofOthers = (table: Table) =>
      and(
        eq(table.serverId, serverId),
        eq(table.tenantId, owner.tenantId),
        not(eq(table.userId, owner.userId)),
      );
    return await run(this.#engine, async (orm) => {
      await orm.delete(oauthLogins).where(ofOthers(oauthLogins));
      return this.#tokensIn(await orm.delete(oauthTokens).where(ofOthers(oauthTokens)).returning());
    });
  }

  async client(owner: Owner, serverId: string, issuer: string): Promise<OAuthClient | undefined> {
    const [row] = await run(this.#engine, (orm) =>
      orm
        .select()
        .from(oauthClients)
        .where(mine(oauthClients, owner, serverId, eq(oauthClients.issuer, issuer))),
    );
    const client = this.#open<OAuthClient>(row?.sealed, { owner, serverId, field: 'oauth_client' });
    // A row whose issuer somebody has changed would take a secret to somebody else.
    return client?.issuer === issuer ? client : undefined;
  }

  async saveClient(owner: Owner, serverId: string, client: OAuthClient): Promise<void> {
    const { issuer } = client;
    const sealed = this.#seal(client, { owner, serverId, field: 'oauth_client' });
    await run(this.#engine, (orm) =>
      orm
        .insert(oauthClients)
        .values({ ...keyOf(owner, serverId), issuer, sealed })
        .onConflictDoUpdate({ target: [oauthClients.serverId, oauthClients.issuer], set: { sealed } }),
    );
  }

  async forgetClient(owner: Owner, serverId: string, issuer: string): Promise<void> {
    await run(this.#engine, (orm) =>
      orm.delete(oauthClients).where(mine(oauthClients, owner, serverId, eq(oauthClients.issuer, issuer))),
    );
  }

  async invite(ticketHash: string, { owner, serverId, scopes }: Invitation): Promise<void> {
    await run(this.#engine, async (orm) => {
      await orm.delete(oauthLogins).where(lt(oauthLogins.createdAt, oldest()));
      if (!(await mayUse(orm, owner, serverId)))
        throw new GatewayError(Code.NotFound, 'This server does not exist');
      await orm.insert(oauthLogins).values({ ...keyOf(owner, serverId), ticketHash, scopes });
    });
  }

  async invitation(ticketHash: string): Promise<Invitation | undefined> {
    const isFresh = gt(oauthLogins.createdAt, oldest());
    const [row] = await run(this.#engine, (orm) =>
      orm
        .select()
        .from(oauthLogins)
        .where(and(eq(oauthLogins.ticketHash, ticketHash), isFresh)),
    );
    return row && invitationOf(row);
  }

  async begin(ticketHash: string, stateHash: string, login: PendingLogin): Promise<void> {
    const invited = await this.invitation(ticketHash);
    if (invited === undefined) throw new GatewayError(Code.NotFound, 'This log-in is over');
    const { owner, serverId } = invited;
    const sealed = this.#seal(login, { owner, serverId, field: 'oauth_login' });
    await run(this.#engine, (orm) =>
      orm.update(oauthLogins).set({ stateHash, sealed }).where(eq(oauthLogins.ticketHash, ticketHash)),
    );
  }

  async take(stateHash: string): Promise<(Invitation & { readonly login: PendingLogin }) | undefined> {
    const [row] = await run(this.#engine, (orm) =>
      orm
        .delete(oauthLogins)
        .where(and(eq(oauthLogins.stateHash, stateHash), gt(oauthLogins.createdAt, oldest())))
        .returning(),
    );
    if (row === undefined) return undefined;
    const invited = invitationOf(row);
    const login = this.#open<PendingLogin>(row.sealed, {
      owner: invited.owner,
      serverId: row.serverId,
      field: 'oauth_login',
    });
    return login && { ...invited, login };
  }

  async isPending(owner: Owner, serverId: string): Promise<boolean> {
    const isBegun = and(isNotNull(oauthLogins.stateHash), gt(oauthLogins.createdAt, oldest()));
    const rows = await run(this.#engine, (orm) =>
      orm
        .select({ ticketHash: oauthLogins.ticketHash })
        .from(oauthLogins)
        .where(mine(oauthLogins, owner, serverId, isBegun))
        .limit(1),
    );
    return rows.length > 0;
  }

  async #put(
    owner: Owner,
    serverId: string,
    values: Omit<typeof oauthTokens.$inferInsert, 'serverId' | 'tenantId' | 'userId'>,
    set: Parameters<
      ReturnType<ReturnType<Engine['orm']['insert']>['values']>['onConflictDoUpdate']
    >[0]['set'],
  ): Promise<number | undefined> {
    return await run(this.#engine, async (orm) => {
      if (!(await mayUse(orm, owner, serverId))) return undefined;
      const [row] = await orm
        .insert(oauthTokens)
        .values({ ...keyOf(owner, serverId), ...values })
        .onConflictDoUpdate({
          target: [oauthTokens.serverId, oauthTokens.tenantId, oauthTokens.userId],
          set,
        })
        .returning({ version: oauthTokens.version });
      return row?.version;
    });
  }

  async #drop(owner: Owner, serverId: string, state: 'needed' | 'expired', condition?: SQL): Promise<void> {
    await run(this.#engine, (orm) =>
      orm
        .update(oauthTokens)
        .set({ state, sealed: null, claimedUntil: null, version: sql`${oauthTokens.version} + 1` })
        .where(mine(oauthTokens, owner, serverId, condition)),
    );
  }

  #tokensIn(rows: readonly (typeof oauthTokens.$inferSelect)[]): readonly OAuthTokens[] {
    return rows.flatMap(({ tenantId, userId, serverId, sealed }) => {
      const owner = { tenantId, userId };
      return this.#open<OAuthTokens>(sealed, { owner, serverId, field: 'oauth_tokens' }) ?? [];
    });
  }

  #seal(value: unknown, place: SealPlace): string {
    return this.#sealer.seal(JSON.stringify(value), place);
  }

  /** What a missing key or a changed row keeps shut is as good as gone: somebody logs in again. */
  #open<T>(sealed: string | null | undefined, place: SealPlace): T | undefined {
    if (sealed === null || sealed === undefined) return undefined;
    try {
      return JSON.parse(this.#sealer.open(sealed, place)) as T;
    } catch (error) {
      if (error instanceof GatewayError) return undefined;
      throw error;
    }
  }
}

/** Whether it is the owner's own server or one that is shared in the tenant: an id alone is no proof. */
async function mayUse(orm: Orm, { tenantId, userId }: Owner, serverId: string): Promise<boolean> {
  const isTheirs = or(eq(servers.userId, userId), isNotNull(servers.sharedWith));
  const rows = await orm
    .select({ id: servers.id })
    .from(servers)
    .where(and(eq(servers.id, serverId), eq(servers.tenantId, tenantId), isTheirs));
  return rows.length > 0;
}

function keyOf({ tenantId, userId }: Owner, serverId: string) {
  return { serverId, tenantId, userId };
}

function mine(table: Table, { tenantId, userId }: Owner, serverId: string, condition?: SQL): SQL | undefined {
  return and(eq(table.serverId, serverId), eq(table.tenantId, tenantId), eq(table.userId, userId), condition);
}

function invitationOf({ tenantId, userId, serverId, scopes }: typeof oauthLogins.$inferSelect): Invitation {
  return { owner: { tenantId, userId }, serverId, scopes };
}

/** By the database's clock, as `created_at` is. */
function oldest(): SQL {
  return sql`now() - ${LOGIN_TTL_MS} * interval '1 millisecond'`;
}
