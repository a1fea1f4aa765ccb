import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/**
 * Each level of JSON is three of Protobuf (value, struct, entry), and common Protobuf parsers refuse more than 100: a
 * deeper definition of one tool would make a whole list unreadable.
 */
const MAX_DEPTH = 30;

/** What a server sent as JSON, fit for a `google.protobuf.Struct`. What cannot be one is told in its place. */
export function toJsonObject(record: Readonly<Record<string, unknown>>): JsonObject {
  return convertRecord(record, 1);
}

function convertRecord(record: object, depth: number): JsonObject {
  const fields: [string, JsonValue][] = [];
  for (const [name, value] of Object.entries(record)) {
    // As a key of a plain object it would be taken for the object's prototype further down.
    if (name !== '__proto__' && value !== undefined) fields.push([name, convert(value, depth + 1)]);
  }
  return Object.fromEntries(fields);
}

function convert(value: unknown, depth: number): JsonValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      // JSON has no infinity, but JSON.parse makes one of 1e999.
      return Number.isFinite(value) ? value : String(value);
    case 'object':
      if (value === null) return null;
      if (depth > MAX_DEPTH) return '(nested too deeply to be shown)';
      if (Array.isArray(value)) return value.map((item) => convert(item, depth + 1));
      return convertRecord(value, depth);
    default:
      return null;
  }
}
