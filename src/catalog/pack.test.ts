import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeCatalog, listed } from '../../test/support/fakes.ts';
import { anyCharacter } from '../../test/support/json-text.ts';
import { isSameCatalog, packCatalog, unpackCatalog } from './pack.ts';
import type { ListedEntry, ServerCatalog } from './types.ts';

const LISTS = ['tools', 'resources', 'resourceTemplates', 'prompts'] as const;

/** All that an entry is, its parsed form included. */
const plain = ({ key, text, keySpan, entry }: ListedEntry) => ({ key, text, keySpan: { ...keySpan }, entry });

function assertSame(actual: ServerCatalog, expected: ServerCatalog): void {
  for (const list of LISTS) assert.deepEqual(actual[list].map(plain), expected[list].map(plain));
  const { capabilities, serverInfo, instructions, protocolVersion, fetchedAt } = expected;
  assert.deepEqual(actual.capabilities, capabilities);
  assert.deepEqual(actual.serverInfo, serverInfo);
  assert.equal(actual.instructions, instructions);
  assert.equal(Object.hasOwn(actual, 'instructions'), instructions !== undefined);
  assert.equal(actual.protocolVersion, protocolVersion);
  assert.deepEqual(actual.fetchedAt, fetchedAt);
}

test('what is unpacked is what was packed, text for text', async () => {
  const texts = [
    '{"name":"plain"}',
    '{ "inputSchema" : {},\r\n\t"name" :\n"spaced" }',
    '{"big":12345678901234567890.10e2,"name":"n\\u00fcmber \\"quoted\\" \\n"}',
    '{"name":"日本語 🎉","x":"\\ud83c"}',
    '{"__proto__":{"a":1},"name":"constructor"}',
  ];
  const catalog = fakeCatalog(
    { prompts: ['p'], resources: ['x://r'], resourceTemplates: ['x://{t}'] },
    { tools: texts.map((text) => listed('name', text)), instructions: 'Line\nand line' },
  );
  assertSame(await unpackCatalog((await packCatalog(catalog)).bytes), catalog);
  const empty = fakeCatalog({});
  assertSame(await unpackCatalog((await packCatalog(empty)).bytes), empty);
});

test('whatever a server names its tools and says of them', async () => {
  const words = fc.array(
    fc.tuple(fc.string({ unit: 'binary', minLength: 1 }), fc.string({ unit: anyCharacter })),
  );
  await fc.assert(
    fc.asyncProperty(words, async (entries) => {
      const tools = entries.map(([name, description], index) =>
        listed('name', JSON.stringify({ description, name }, null, index % 3)),
      );
      const catalog = fakeCatalog({}, { tools });
      assertSame(await unpackCatalog((await packCatalog(catalog)).bytes), catalog);
    }),
    { numRuns: 30 },
  );
});

test('a large catalog is packed in many turns of the event loop', async () => {
  const tools = Array.from({ length: 5000 }, (_, n) =>
    listed('name', JSON.stringify({ name: `tool${n}`, description: `${n} `.repeat(100) })),
  );
  const catalog = fakeCatalog({}, { tools });
  let turns = 0;
  let isCounting = true;
  const count = () => {
    turns++;
    if (isCounting) setImmediate(count);
  };
  setImmediate(count);
  const { bytes } = await packCatalog(catalog);
  const packing = turns;
  const unpacked = await unpackCatalog(bytes);
  isCounting = false;
  assert.ok(packing >= 20, `packed in ${packing} turns`);
  assert.ok(turns - packing >= 20, `unpacked in ${turns - packing} turns`);
  assert.equal(unpacked.tools.length, 5000);
  assert.ok(isSameCatalog(catalog, unpacked));
});

test('the same lists have the same digest', async () => {
  const [a, b] = [fakeCatalog({ tools: ['a'] }), fakeCatalog({ tools: ['b'] })];
  const later = { ...a, fetchedAt: a.fetchedAt };
  assert.equal((await packCatalog(a)).digest, (await packCatalog(later)).digest);
  assert.notEqual((await packCatalog(a)).digest, (await packCatalog(b)).digest);
});

test('catalogs are the same that say the same, whenever they were fetched', () => {
  const catalog = fakeCatalog({ tools: ['a', 'b'], prompts: ['p'] });
  assert.ok(
    isSameCatalog(catalog, { ...fakeCatalog({ tools: ['a', 'b'], prompts: ['p'] }), fetchedAt: new Date(0) }),
  );
  for (const other of [
    fakeCatalog({ tools: ['b', 'a'], prompts: ['p'] }),
    fakeCatalog({ tools: ['a'], prompts: ['p'] }),
    fakeCatalog({ tools: ['a', 'b'], resources: ['p'] }),
    { ...catalog, tools: [listed('name', '{"name":"a" }'), catalog.tools[1]!] },
    { ...catalog, capabilities: { tools: { listChanged: true } } },
    { ...catalog, instructions: 'new' },
  ])
    assert.ok(!isSameCatalog(catalog, other));
});

test('bytes that are no packed catalog are refused', async () => {
  const { bytes } = await packCatalog(fakeCatalog({ tools: ['a'] }));
  for (const bad of [
    Buffer.alloc(0),
    Buffer.from('hello'),
    bytes.subarray(0, bytes.length - 8),
    Buffer.concat([bytes.subarray(0, 20), bytes]),
  ])
    await assert.rejects(unpackCatalog(bad));
});
