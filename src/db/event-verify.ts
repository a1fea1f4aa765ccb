import { sql } from './drizzle.ts';
import { CHAIN_START, type ChainPlace, nextPlace } from './event-chain.ts';
import type { Verification } from './event-record.ts';
import { COLUMNS, placeOf, rowsOf, toEvent } from './event-rows.ts';
import type { Engine } from './orm.ts';
import { run } from './run.ts';

/** Rows read at a time. */
const BATCH = 2000;

interface Chain {
  readonly anchor: ChainPlace;
  readonly head: ChainPlace;
  /** Hashes of rows that retention has taken out behind the anchor, by ordinal. */
  readonly stubs: ReadonlyMap<number, string>;
}

/** Goes over all events of a tenant in the order in which they were stored; ends at the first that is not as it was. */
export async function verifyEvents(engine: Engine, tenantId: string): Promise<Verification> {
  for (;;) {
    const chain = await readChain(engine, tenantId);
    const found = await check(engine, tenantId, chain);
    if (found.bad === undefined) return found;
    // Retention may have moved the beginning meanwhile.
    const { anchor } = await readChain(engine, tenantId);
    if (anchor.ordinal === chain.anchor.ordinal) return found;
  }
}

async function readChain(engine: Engine, tenantId: string): Promise<Chain> {
  return await run(engine, async (orm) => {
    const [row] = await rowsOf(
      orm,
      sql`select ordinal::float8 as ordinal, hash, anchor_ordinal::float8 as anchor_ordinal, anchor_hash from dragon.event_chains where tenant_id = ${tenantId}`,
    );
    const stubs = await rowsOf(
      orm,
      sql`select ordinal::float8 as ordinal, hash from dragon.event_stubs where tenant_id = ${tenantId}`,
    );
    return {
      head: row === undefined ? CHAIN_START : placeOf(row),
      anchor:
        row === undefined
          ? CHAIN_START
          : { ordinal: Number(row['anchor_ordinal']), hash: String(row['anchor_hash']) },
      stubs: new Map(stubs.map((stub) => [Number(stub['ordinal']), String(stub['hash'])])),
    };
  });
}

async function check(
  engine: Engine,
  tenantId: string,
  { anchor, head, stubs }: Chain,
): Promise<Verification> {
  let place = anchor;
  let checked = 0;
  const end = (bad?: Verification['bad']): Verification => ({
    checked,
    ...head,
    ...(bad === undefined ? {} : { bad }),
  });
  /** Over what retention has taken out. */
  const skip = () => {
    for (let hash = stubs.get(place.ordinal + 1); hash !== undefined; hash = stubs.get(place.ordinal + 1))
      place = { ordinal: place.ordinal + 1, hash };
  };
  // A row too many may have any number up to the last.
  for (let from = 0; ; ) {
    const rows = await run(engine, (orm) =>
      rowsOf(
        orm,
        sql`select ${COLUMNS} from dragon.events e where tenant_id = ${tenantId} and ordinal > ${from} and ordinal <= ${head.ordinal} order by e.ordinal limit ${BATCH}`,
      ),
    );
    for (const row of rows) {
      skip();
      const stored = placeOf(row);
      const event = toEvent(row);
      const about = { id: event.id, time: event.time };
      if (stored.ordinal <= place.ordinal)
        return end({ fault: 'inserted', ordinal: stored.ordinal, ...about });
      if (stored.ordinal > place.ordinal + 1) return end({ fault: 'removed', ordinal: place.ordinal + 1 });
      const expected = nextPlace(place, event);
      if (stored.hash !== expected.hash) return end({ fault: 'edited', ordinal: stored.ordinal, ...about });
      place = expected;
      checked++;
    }
    const last = rows.at(-1);
    if (last === undefined) break;
    from = placeOf(last).ordinal;
  }
  skip();
  if (place.ordinal < head.ordinal) return end({ fault: 'removed', ordinal: place.ordinal + 1 });
  // The rows are right one by one, and the chain says that they end in another way.
  if (place.hash !== head.hash) return end({ fault: 'edited', ordinal: place.ordinal });
  return end(await extra(engine, tenantId, head, checked));
}

/** A second row with the number of another may have stood where one batch ended. */
async function extra(
  engine: Engine,
  tenantId: string,
  head: ChainPlace,
  checked: number,
): Promise<Verification['bad']> {
  const [row] = await run(engine, (orm) =>
    rowsOf(
      orm,
      sql`select count(*)::float8 as total from dragon.events where tenant_id = ${tenantId} and ordinal <= ${head.ordinal}`,
    ),
  );
  if (Number(row?.['total']) === checked) return undefined;
  const [twice] = await run(engine, (orm) =>
    rowsOf(
      orm,
      sql`select max(id::text) as id, ordinal::float8 as ordinal from dragon.events where tenant_id = ${tenantId} and ordinal <= ${head.ordinal} group by ordinal having count(*) > 1 or ordinal < 1 order by ordinal limit 1`,
    ),
  );
  if (twice === undefined) return undefined;
  return { fault: 'inserted', ordinal: Number(twice['ordinal']), id: String(twice['id']) };
}
