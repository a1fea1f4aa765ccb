import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isDeepStrictEqual } from 'node:util';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { z } from 'zod';
import type { CatalogBody } from '../coordination/catalog-store.ts';
import { LineSplitter } from '../downstream/lines.ts';
import { isObject } from '../protocol/envelope.ts';
import type { Span } from '../protocol/json-text.ts';
import type { ListedEntry, RawEntry, ServerCatalog } from './types.ts';

/** What is packed or unpacked in one turn of the event loop: what is large must not hold up everything else. */
const PIECE_BYTES = 32 * 1024;

/** Of a catalog unpacked, in bytes: one that is larger is not what a node has packed. */
const MAX_UNPACKED_BYTES = 256 * 1024 * 1024;

const LISTS = ['tools', 'resources', 'resourceTemplates', 'prompts'] as const;

const Json = z.record(z.string(), z.unknown());

/** The first line. Each of the others is an entry: its list, its text, and where its key stands. */
const Head = z.object({
  capabilities: Json,
  serverInfo: Json,
  instructions: z.string().exactOptional(),
  protocolVersion: z.string(),
  fetchedAt: z.number(),
});

const Line = z.tuple([z.enum(LISTS), z.string(), z.int(), z.int()]);

/** A catalog as bytes: the texts exactly as the server sent them, compressed. */
export async function packCatalog(catalog: ServerCatalog): Promise<CatalogBody> {
  const chunks: Buffer[] = [];
  const hash = createHash('sha256');
  await pipeline(
    Readable.from(pieces(catalog)),
    createZstdCompress({ chunkSize: PIECE_BYTES }),
    async (packed) => {
      for await (const chunk of packed) {
        chunks.push(chunk);
        hash.update(chunk);
      }
    },
  );
  return { digest: hash.digest('base64url'), bytes: Buffer.concat(chunks) };
}

/** What {@link packCatalog} packed. Rejects for anything else. */
export async function unpackCatalog(bytes: Buffer): Promise<ServerCatalog> {
  const lists = { tools: [], resources: [], resourceTemplates: [], prompts: [] } as Record<
    (typeof LISTS)[number],
    ListedEntry[]
  >;
  let head: z.infer<typeof Head> | undefined;
  const splitter = new LineSplitter((line) => {
    const value: unknown = JSON.parse(line);
    if (head === undefined) {
      head = Head.parse(value);
      return;
    }
    const [list, text, start, end] = Line.parse(value);
    lists[list].push(new UnpackedEntry(text, { start, end }));
  }, MAX_UNPACKED_BYTES);
  let size = 0;
  await pipeline(
    Readable.from([bytes]),
    createZstdDecompress({ chunkSize: PIECE_BYTES }),
    async (unpacked) => {
      for await (const chunk of unpacked) {
        size += chunk.length;
        if (size > MAX_UNPACKED_BYTES) throw new RangeError('a catalog that is too large');
        splitter.push(chunk);
      }
    },
  );
  if (head === undefined) throw new TypeError('a catalog without a head');
  return { ...head, ...lists, fetchedAt: new Date(head.fetchedAt) };
}

/** Whether two catalogs say the same, whenever they were fetched. */
export function isSameCatalog(a: ServerCatalog, b: ServerCatalog): boolean {
  const same = (list: (typeof LISTS)[number]) =>
    a[list].length === b[list].length &&
    a[list].every(({ key, text }, index) => key === b[list][index]?.key && text === b[list][index]?.text);
  const rest = ({ capabilities, serverInfo, instructions, protocolVersion }: ServerCatalog) => [
    capabilities,
    serverInfo,
    instructions,
    protocolVersion,
  ];
  return LISTS.every(same) && isDeepStrictEqual(rest(a), rest(b));
}

function* pieces(catalog: ServerCatalog): Generator<Buffer> {
  const { capabilities, serverInfo, instructions, protocolVersion, fetchedAt } = catalog;
  const head = { capabilities, serverInfo, instructions, protocolVersion, fetchedAt: fetchedAt.getTime() };
  let piece = `${JSON.stringify(head)}\n`;
  for (const list of LISTS) {
    for (const { text, keySpan } of catalog[list]) {
      piece += `${JSON.stringify([list, text, keySpan.start, keySpan.end])}\n`;
      if (piece.length < PIECE_BYTES) continue;
      yield Buffer.from(piece);
      piece = '';
    }
  }
  yield Buffer.from(piece);
}

/** Parsed when somebody looks into it: most entries are only ever passed on. */
class UnpackedEntry implements ListedEntry {
  readonly key: string;
  readonly text: string;
  readonly keySpan: Span;
  #entry: RawEntry | undefined;

  constructor(text: string, keySpan: Span) {
    this.text = text;
    this.keySpan = keySpan;
    this.key = z.string().parse(JSON.parse(text.slice(keySpan.start, keySpan.end)));
  }

  get entry(): RawEntry {
    if (this.#entry !== undefined) return this.#entry;
    const entry: unknown = JSON.parse(this.text);
    if (!isObject(entry)) throw new TypeError('an entry that is no object');
    this.#entry = entry;
    return entry;
  }
}
