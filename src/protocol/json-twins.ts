import { decodeKey, stringEnd } from './json-text.ts';

/**
 * Whether a key stands twice in some object of a JSON text, however deep: two readers may then see two different values.
 * Takes text that `JSON.parse` has accepted, and looks at each character once.
 */
export function hasTwins(text: string): boolean {
  /** The keys of each object that is open; undefined for an array. */
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"': {
        const end = stringEnd(text, at);
        const keys = open.at(-1);
        if (expectsKey && keys !== undefined) {
          const key = decodeKey(text, at, end);
          if (keys.has(key)) return true;
          keys.add(key);
          expectsKey = false;
        }
        at = end - 1;
        break;
      }
      case '{':
        open.push(new Set());
        expectsKey = true;
        break;
      case '[':
        open.push(undefined);
        expectsKey = false;
        break;
      case '}':
      case ']':
        open.pop();
        expectsKey = false;
        break;
      case ',':
        expectsKey = open.at(-1) !== undefined;
        break;
    }
  }
  return false;
}
