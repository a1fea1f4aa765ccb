/** Texts that clients send are few; whoever sends many different ones costs no memory. */
const MAX_TEXTS = 200;

/** Remembers what a function says of a text that requests repeat, such as a header. */
export function memoized<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined || known.has(text)) return before as T;
    const value = read(text);
    if (known.size >= MAX_TEXTS) known.clear();
    known.set(text, value);
    return value;
  };
}
