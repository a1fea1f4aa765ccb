import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary, toJson } from '@bufbuild/protobuf';
import { ToolSchema } from '../gen/dragon/turnstile/api/v1/entry_pb.ts';
import { toJsonObject } from './json-object.ts';

/** As a client reads it: through the binary form, and then as JSON. */
function asRead(entry: Record<string, unknown>): unknown {
  const tool = create(ToolSchema, { definition: toJsonObject(entry) });
  const read = fromBinary(ToolSchema, toBinary(ToolSchema, tool));
  return (toJson(ToolSchema, read) as { definition?: unknown }).definition;
}

test('JSON comes out as it went in', () => {
  const entry = {
    name: 'tool',
    nested: { list: [1, -2.5, 'x', true, null, [], {}], empty: {} },
    'odd key "☃"': '',
  };
  assert.deepEqual(asRead(entry), entry);
});

test('what no Struct can hold is told in its place', () => {
  const entry: unknown = JSON.parse('{"large": 1e999, "__proto__": {"polluted": true}, "ok": 1}');
  const shown = toJsonObject(entry as Record<string, unknown>);
  assert.deepEqual(shown, { large: 'Infinity', ok: 1 });
  assert.equal(Object.getPrototypeOf(shown), Object.prototype);
  assert.deepEqual(asRead({ nothing: undefined, run: () => 1 }), { run: null });
});

test('a definition nested without end is cut where common parsers would refuse it', () => {
  const text = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`;
  let shown: unknown = asRead(JSON.parse(text) as Record<string, unknown>);
  let depth = 0;
  while (typeof shown === 'object' && shown !== null) {
    shown = (shown as { a: unknown }).a;
    depth += 1;
  }
  assert.equal(depth, 30);
  assert.equal(shown, '(nested too deeply to be shown)');
});
