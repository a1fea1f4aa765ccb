import fc from 'fast-check';

/** Bytes that are hard to cut: line ends of all kinds, characters of one to four bytes, bytes that are no UTF-8. */
export function bytesOf(tokens: readonly string[]): fc.Arbitrary<Buffer> {
  const token = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...tokens, '\n', '\r', '\r\n', 'é', '€', '😀').map(Buffer.from) },
    {
      weight: 1,
      arbitrary: fc.constantFrom([0xff], [0xe2, 0x82], [0xf0, 0x9f], [0xc3], [0]).map(Buffer.from),
    },
  );
  return fc.array(token, { maxLength: 40 }).map((parts) => Buffer.concat(parts));
}

/** The same bytes in pieces, some of them empty. */
export function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

export const places = fc.array(fc.nat({ max: 500 }), { maxLength: 12 });

/** The same bytes, one by one. */
export function singly(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}
