import fc from 'fast-check';

/**
 * Arbitrary JSON texts as other people's serialisers write them: any white space, any escapes, numbers that no double
 * holds, keys that mean something to JavaScript.
 */

/** Any character; printable ASCII often. (What fast-check has for this takes a second to set up.) */
export const anyCharacter = fc
  .oneof(
    fc.integer({ min: 0x20, max: 0x7e }),
    fc.integer({ min: 0, max: 0xd7ff }),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((codePoint) => String.fromCodePoint(codePoint));

export const space = fc.constantFrom('', '', ' ', '\n', '\t', '\r\n  ');

const numberText = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.bigInt({ min: -(2n ** 90n), max: 2n ** 90n }).map(String),
  fc.constantFrom('-0', '0.10', '1e2', '1E+2', '12.50e-1', '9007199254740993', '1e400'),
);

/** A string's content and one of the ways to write it. */
export function writtenAs(content: fc.Arbitrary<string>): fc.Arbitrary<{ content: string; text: string }> {
  return fc
    .tuple(content, fc.constantFrom(JSON.stringify, escaped, sparing))
    .map(([value, write]) => ({ content: value, text: write(value) }));
}

/** Every UTF-16 code unit as `\uXXXX`. */
export function escaped(value: string): string {
  return `"${value.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}

/** As JSON.stringify, with the escape of the solidus that some serialisers write. */
function sparing(value: string): string {
  return JSON.stringify(value).replaceAll('/', '\\/');
}

export const someString = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: anyCharacter, maxLength: 8 }),
  fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', 'a', '/', '😀'), maxLength: 8 }),
);

/**
 * No key ends with a backslash: once it has seen such a one, V8 of Node 24 reads a key that goes on with an escaped quote
 * in its place as that one.
 */
export const keyContent = fc
  .oneof(
    someString,
    fc.constantFrom('__proto__', 'constructor', 'toString', '', '0', '1', 'id', 'name', 'params', 'na"me'),
  )
  .filter((key) => !key.endsWith('\\'));

/** `[before, value, after]`, joined in turn by a separator and enclosed. */
function enclosed(open: string, items: readonly string[], gaps: readonly string[], close: string): string {
  const gap = (index: number) => gaps[index % Math.max(1, gaps.length)] ?? '';
  return `${open}${gap(0)}${items.join(`${gap(1)},${gap(2)}`)}${gap(3)}${close}`;
}

const gaps = fc.array(space, { minLength: 4, maxLength: 4 });

const values = fc.letrec<{ value: string; object: string; array: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(
      numberText,
      fc.constantFrom('true', 'false', 'null'),
      writtenAs(someString).map(({ text }) => text),
    ),
    tie('array'),
    tie('object'),
  ),
  array: fc
    .tuple(fc.array(tie('value'), { maxLength: 4 }), gaps)
    .map(([items, around]) => enclosed('[', items, around, ']')),
  object: members(tie('value'), keyContent).map(([items, around]) => enclosed('{', items, around, '}')),
}));

function members(
  value: fc.Arbitrary<string>,
  key: fc.Arbitrary<string>,
): fc.Arbitrary<[items: string[], gaps: string[]]> {
  const member = fc.tuple(writtenAs(key), space, space, value);
  return fc
    .tuple(fc.uniqueArray(member, { maxLength: 4, selector: ([{ content }]) => content }), gaps)
    .map(([items, around]) => [items.map(([{ text }, a, b, each]) => `${text}${a}:${b}${each}`), around]);
}

export const jsonValue = values.value;
export const jsonObject = values.object;
export const jsonArray = values.array;

/** The text of an object that has `key`, cut where its value belongs. */
export interface Hole {
  readonly before: string;
  readonly after: string;
}

/** An object with other members before and after the one named `key`, whose value is left out. */
function objectWithHole(key: string): fc.Arbitrary<Hole> {
  const others = members(
    jsonValue,
    keyContent.filter((each) => each !== key),
  );
  return fc
    .tuple(others, fc.nat({ max: 4 }), fc.constantFrom(JSON.stringify, escaped), space, space)
    .map(([[items, around], position, write, a, b]) => {
      const at = Math.min(position, items.length);
      const gap = around[0] ?? '';
      const head = items.slice(0, at).map((item) => `${item},${gap}`);
      const tail = items.slice(at).map((item) => `${gap},${item}`);
      return {
        before: `{${gap}${head.join('')}${write(key)}${a}:${b}`,
        after: `${a}${tail.join('')}${gap}}`,
      };
    });
}

/** Objects within each other, the innermost with a hole. */
export function holeAt(path: readonly string[]): fc.Arbitrary<Hole> {
  return fc.tuple(...path.map(objectWithHole)).map((levels) => ({
    before: levels.map(({ before }) => before).join(''),
    after: levels
      .map(({ after }) => after)
      .reverse()
      .join(''),
  }));
}
