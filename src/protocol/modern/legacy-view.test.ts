import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callResponseForLegacy, toolForLegacy } from './legacy-view.ts';

test('a tool keeps the schema of its results where legacy clients can read it', () => {
  const tool = (outputSchema?: unknown) => ({ name: 'x', outputSchema, inputSchema: { type: 'object' } });
  for (const each of [tool(), tool({ type: 'object', properties: {} })]) {
    const text = JSON.stringify(each);
    assert.equal(toolForLegacy(text, JSON.parse(text)), text);
  }
  for (const schema of [{ type: 'array' }, { anyOf: [] }, true, { type: ['object', 'null'] }]) {
    const text = JSON.stringify(tool(schema));
    assert.equal(toolForLegacy(text, JSON.parse(text)), '{"name":"x","inputSchema":{"type":"object"}}');
  }
});

test('structured content that is no object goes into one', () => {
  const response = (content: string) =>
    `{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":${content}}}`;
  for (const each of ['[1,12345678901234567890]', '"x"', 'null', '7']) {
    assert.equal(callResponseForLegacy(response(each)), response(`{"result":${each}}`));
  }
  for (const each of [response('{"a":[1]}'), '{"result":{}}', '{"error":{"structuredContent":[]}}']) {
    assert.equal(callResponseForLegacy(each), each);
  }
});
