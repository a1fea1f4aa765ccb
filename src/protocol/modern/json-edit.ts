import { objectMembers, type Span, splice } from '../json-text.ts';

/** Members to set, as JSON text, or to remove, where the text is undefined. No key twice. */
export type Edits = readonly (readonly [key: string, json: string | undefined])[];

const NONE: Edits = [];

/**
 * The text of an object with members set and removed. New ones come first, in the order of the edits; what is not
 * edited stays as it is, byte for byte. Undefined where the text is no object or a key stands twice.
 */
export function editObject(text: string, edits: Edits): string | undefined {
  const members = objectMembers(text);
  return members && editMembers(text, members, edits);
}

/**
 * The same for an object inside a message, found by its path of keys; objects that the path lacks are made where there is
 * something to put in.
 */
export function editAt(text: string, path: readonly string[], edits: Edits): string | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return editObject(text, edits);
  const members = objectMembers(text);
  if (members === undefined) return undefined;
  const span = members.get(key);
  if (span === undefined && !edits.some(([, json]) => json !== undefined)) return text;
  const inner = editAt(objectIn(text, span), rest, edits);
  if (inner === undefined) return undefined;
  return span === undefined ? editMembers(text, members, [[key, inner]]) : splice(text, span, inner);
}

export interface RequestEdits {
  /** JSON text. */
  readonly id?: string;
  readonly params?: Edits;
  /** Of `params._meta`. It goes when nothing is left in it. */
  readonly meta?: Edits;
}

/** A request's text with all edits in one go: for a call on its way to a server. Undefined as with {@link editObject}. */
export function editRequest(
  text: string,
  { id, params = NONE, meta = NONE }: RequestEdits,
): string | undefined {
  const members = objectMembers(text);
  if (members === undefined) return undefined;
  const span = members.get('params');
  const own = objectIn(text, span);
  const ownMembers = objectMembers(own);
  if (ownMembers === undefined) return undefined;
  const all = meta.length === 0 ? params : withMeta(own, ownMembers.get('_meta'), params, meta);
  const changed = all && editMembers(own, ownMembers, all);
  if (changed === undefined) return undefined;
  const root: Edits[number][] = [];
  if (id !== undefined) root.push(['id', id]);
  if (span !== undefined || changed !== '{}') root.push(['params', changed]);
  return editMembers(text, members, root);
}

function withMeta(text: string, span: Span | undefined, params: Edits, meta: Edits): Edits | undefined {
  const changed = editObject(objectIn(text, span), meta);
  if (changed === undefined) return undefined;
  return [...params, ['_meta', isEmpty(changed) ? undefined : changed]];
}

function objectIn(text: string, span: Span | undefined): string {
  return span === undefined ? '{}' : text.slice(span.start, span.end);
}

function isEmpty(text: string): boolean {
  return /^\{\s*\}$/.test(text);
}

/** {@link editObject} for one whose members are known. */
export function editMembers(
  text: string,
  members: ReadonlyMap<string, Span>,
  edits: Edits,
): string | undefined {
  const open = text.search(/\S/);
  if (text[open] !== '{') return undefined;
  let out = '';
  for (const [key, json] of edits) {
    if (json !== undefined && !members.has(key))
      out += `${out === '' ? '' : ','}${JSON.stringify(key)}:${json}`;
  }
  let from = open + 1;
  for (const [key, { start, end }] of members) {
    const edit = edits.find(([each]) => each === key);
    const value = edit === undefined ? text.slice(start, end) : edit[1];
    if (value !== undefined) {
      const lead = text.slice(from, start);
      const isFirst = from === open + 1;
      // Between a value and the next key stand white space and one comma, so the comma is found before any in the key.
      if (out === '') out = isFirst ? lead : lead.slice(lead.indexOf(',') + 1);
      else out += isFirst ? `,${lead}` : lead;
      out += value;
    }
    from = end;
  }
  return text.slice(0, open + 1) + out + text.slice(from);
}
