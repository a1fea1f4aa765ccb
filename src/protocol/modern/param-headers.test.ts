import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../../test/support/json-text.ts';
import { Code, GatewayError } from '../errors.ts';
import {
  checkParamHeaders,
  mayHaveParamHeaders,
  type ParamHeader,
  paramHeaders,
  readParamHeaders,
  undeclaredParamHeaders,
} from './param-headers.ts';

const named = (type: unknown, name: unknown) => ({ type, 'x-mcp-header': name });

function declared(properties: object): readonly ParamHeader[] {
  const read = readParamHeaders({ type: 'object', properties });
  assert.ok(typeof read !== 'string', String(read));
  return read;
}

function asHeaders(flat: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < flat.length; at += 2) headers[flat[at]!.toLowerCase()] = flat[at + 1]!;
  return headers;
}

const sql = declared({
  region: named('string', 'Region'),
  limit: named('integer', 'Limit'),
  dry: named('boolean', 'DryRun'),
  options: { type: 'object', properties: { tenant: named('string', 'Tenant') } },
  query: { type: 'string' },
});

describe('what a tool declares', () => {
  it('is found under any chain of properties', () => {
    assert.deepEqual(sql.map(({ header, path }) => `${header}=${path.join('/')}`).sort(), [
      'Mcp-Param-DryRun=dry',
      'Mcp-Param-Limit=limit',
      'Mcp-Param-Region=region',
      'Mcp-Param-Tenant=options/tenant',
    ]);
    assert.deepEqual(readParamHeaders({ type: 'object' }), []);
    assert.deepEqual(readParamHeaders(undefined), []);
    assert.deepEqual(readParamHeaders({ properties: { __proto__x: { type: 'string' } } }), []);
  });

  const invalid: Readonly<Record<string, object>> = {
    'an empty name': { properties: { a: named('string', '') } },
    'a name that is no string': { properties: { a: named('string', 7) } },
    'a space in a name': { properties: { a: named('string', 'My Region') } },
    'a colon in a name': { properties: { a: named('string', 'Region:Primary') } },
    'a name beyond ASCII': { properties: { a: named('string', 'Région') } },
    'a line feed in a name': { properties: { a: named('string', 'Region\n') } },
    'a number': { properties: { a: named('number', 'A') } },
    'an object': { properties: { a: named('object', 'A') } },
    'an array': { properties: { a: named('array', 'A') } },
    null: { properties: { a: named('null', 'A') } },
    'several types': { properties: { a: named(['string', 'null'], 'A') } },
    'no type': { properties: { a: { 'x-mcp-header': 'A' } } },
    'the same name twice': { properties: { a: named('string', 'A'), b: named('string', 'A') } },
    'the same name in another case': {
      properties: { a: named('string', 'Region'), b: named('string', 'REGION') },
    },
    'the root': { type: 'string', 'x-mcp-header': 'A' },
    items: { properties: { a: { type: 'array', items: named('string', 'A') } } },
    'properties below items': { properties: { a: { items: { properties: { b: named('string', 'A') } } } } },
    prefixItems: { properties: { a: { prefixItems: [named('string', 'A')] } } },
    oneOf: { oneOf: [{ properties: { a: named('string', 'A') } }] },
    anyOf: { properties: { a: { anyOf: [named('string', 'A'), { type: 'null' }] } } },
    allOf: { allOf: [{ properties: { a: named('string', 'A') } }] },
    not: { not: { properties: { a: named('string', 'A') } } },
    if: { if: { properties: { a: named('string', 'A') } } },
    else: { else: { properties: { a: named('string', 'A') } } },
    $defs: { $defs: { a: named('string', 'A') }, properties: { a: { $ref: '#/$defs/a' } } },
    additionalProperties: { additionalProperties: named('string', 'A') },
    patternProperties: { patternProperties: { '^a': named('string', 'A') } },
    dependentSchemas: { dependentSchemas: { a: { properties: { b: named('string', 'A') } } } },
  };
  for (const [what, schema] of Object.entries(invalid)) {
    it(`is invalid on ${what}`, () => {
      assert.equal(typeof readParamHeaders({ type: 'object', ...schema }), 'string');
    });
  }

  it('is not taken from data, nor from an argument of that name', () => {
    const schema = {
      type: 'object',
      properties: {
        'x-mcp-header': { type: 'string' },
        properties: { type: 'object', properties: { a: named('string', 'A') } },
        b: {
          type: 'object',
          default: named('number', ''),
          enum: [named('number', '')],
          const: named('number', ''),
        },
      },
      examples: [named('number', '')],
    };
    const read = readParamHeaders(schema);
    assert.ok(typeof read !== 'string');
    assert.deepEqual(
      read.map(({ path }) => path),
      [['properties', 'a']],
    );
  });

  it('is looked for only in tools that mention it', () => {
    assert.ok(mayHaveParamHeaders(JSON.stringify({ inputSchema: named('string', 'A') })));
    assert.ok(!mayHaveParamHeaders(JSON.stringify({ name: 'a', inputSchema: { type: 'object' } })));
  });

  it('is read from a schema of any depth', () => {
    let schema: object = named('string', 'Deep');
    for (let depth = 0; depth < 2_000; depth++) schema = { type: 'object', properties: { a: schema } };
    const read = readParamHeaders(schema);
    assert.ok(typeof read !== 'string');
    assert.equal(read[0]?.path.length, 2_000);
  });
});

describe('the headers of a call', () => {
  const args = { region: 'us-west1', limit: 42, dry: false, options: { tenant: 'Ä' }, query: 'SELECT 1' };
  const headers = asHeaders(paramHeaders(sql, args));

  it('are made from the arguments that are there', () => {
    assert.deepEqual(headers, {
      'mcp-param-region': 'us-west1',
      'mcp-param-limit': '42',
      'mcp-param-dryrun': 'false',
      'mcp-param-tenant': '=?base64?w4Q=?=',
    });
    assert.deepEqual(paramHeaders(sql, { region: null, limit: undefined, options: 'none' }), []);
    assert.deepEqual(paramHeaders(sql, undefined), []);
    assert.deepEqual(paramHeaders(sql, { limit: 2 ** 60, region: {}, dry: [] }), []);
    assert.deepEqual(paramHeaders(declared({ toString: named('string', 'A') }), {}), []);
  });

  it('pass where they say what the arguments say', () => {
    checkParamHeaders(sql, args, headers);
    checkParamHeaders(sql, args, { ...headers, 'mcp-param-region': '=?base64?dXMtd2VzdDE=?=' });
    checkParamHeaders(sql, args, { ...headers, 'mcp-param-region': '  us-west1 ' });
    checkParamHeaders(sql, args, { ...headers, 'mcp-param-limit': '42.0' });
    checkParamHeaders(sql, {}, {});
    checkParamHeaders(sql, { region: null }, { 'mcp-param-region': 'anything' });
    checkParamHeaders(sql, { region: { no: 'primitive' } }, {});
    checkParamHeaders(sql, { limit: 'not a number' }, { 'mcp-param-limit': 'not a number' });
  });

  const wrong: Readonly<Record<string, Record<string, string>>> = {
    'a missing header': {
      'mcp-param-limit': '42',
      'mcp-param-dryrun': 'false',
      'mcp-param-tenant': '=?base64?w4Q=?=',
    },
    'another value': { ...headers, 'mcp-param-region': 'us-east1' },
    'another case': { ...headers, 'mcp-param-region': 'US-WEST1' },
    'another number': { ...headers, 'mcp-param-limit': '43' },
    'a number as only JavaScript reads it': { ...headers, 'mcp-param-limit': '0x2a' },
    'a number with an exponent': { ...headers, 'mcp-param-limit': '4.2e1' },
    'another flag': { ...headers, 'mcp-param-dryrun': 'true' },
    'base64 without padding': { ...headers, 'mcp-param-region': '=?base64?dXMtd2VzdDE?=' },
    'characters that no header has': { ...headers, 'mcp-param-tenant': 'Ä' },
    'a header twice': { ...headers, 'mcp-param-region': 'us-west1, us-west1' },
  };
  for (const [what, each] of Object.entries(wrong)) {
    it(`are refused with ${what}`, () => {
      assert.throws(
        () => checkParamHeaders(sql, args, each),
        (error) =>
          error instanceof GatewayError &&
          error.code === Code.HeaderMismatch &&
          /Mcp-Param-/.test(error.message),
      );
    });
  }

  it('made for any arguments are those that are checked', () => {
    const value = fc.oneof(
      fc.string({ unit: anyCharacter }),
      fc.maxSafeInteger(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
    );
    const anyArgs = fc.record(
      { region: value, limit: value, dry: value, options: fc.record({ tenant: value }) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(anyArgs, (each) => checkParamHeaders(sql, each, asHeaders(paramHeaders(sql, each)))),
    );
  });

  it('that nobody declared are passed on, and others not', () => {
    const given = {
      ...headers,
      'mcp-param-other': ' x ',
      'mcp-name': 'n',
      authorization: 'secret',
      'mcp-param-a': ['1', '2'],
    };
    assert.deepEqual(undeclaredParamHeaders(sql, given), ['mcp-param-other', 'x', 'mcp-param-a', '1, 2']);
    assert.deepEqual(undeclaredParamHeaders([], { accept: '*/*' }), []);
  });
});

test('a name in a reason is cut, whatever its length', () => {
  const read = readParamHeaders({ properties: { ['x'.repeat(10_000)]: named('number', 'A') } });
  assert.ok(typeof read === 'string' && read.length < 300);
});
