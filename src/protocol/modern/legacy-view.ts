import { isObject, own, type Params } from '../envelope.ts';
import { objectMembers, splice } from '../json-text.ts';
import { editObject } from './json-edit.ts';

/**
 * What modern servers may say and legacy clients refuse, in the terms of the latter. Before 2026-07-28 structured content
 * and the schema of it had to be objects, and one tool with another schema makes some clients refuse the whole list.
 */

/** A tool's text without a schema for its results that legacy clients cannot read. */
export function toolForLegacy(text: string, tool: Params): string {
  const schema = own(tool, 'outputSchema');
  if (schema === undefined || (isObject(schema) && own(schema, 'type') === 'object')) return text;
  return editObject(text, [['outputSchema', undefined]]) ?? text;
}

/** A response to `tools/call` in which structured content that is no object is one, with the content under `result`. */
export function callResponseForLegacy(response: string): string {
  const result = objectMembers(response)?.get('result');
  const span = result && objectMembers(response, result.start)?.get('structuredContent');
  if (span === undefined || response[span.start] === '{') return response;
  return splice(response, span, `{"result":${response.slice(span.start, span.end)}}`);
}
