import Table from 'cli-table3';

/** Space between two columns, in columns of the terminal. */
const GAP = 2;

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(GAP),
};

/** Rows under a head, without lines, so that `grep` and `cut` work on it. Control characters are made visible. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const out = new Table({
    head: head.map((title) => title.toUpperCase()),
    chars: NO_LINES,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  for (const row of rows) out.push(row.map(oneLine));
  return withoutTrailingSpace(out.toString());
}

/** Names with their values, one a line. */
export function fields(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length)) + GAP;
  return pairs.map(([name, value]) => `${name.padEnd(width)}${oneLine(value)}`.trimEnd()).join('\n');
}

/** Cuts a text to so many characters, and says so with an ellipsis. */
export function cut(text: string, length: number): string {
  const characters = [...oneLine(text)];
  return characters.length <= length ? characters.join('') : `${characters.slice(0, length - 1).join('')}…`;
}

/** What servers say of themselves must not move the cursor of the terminal it is shown on. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD');
}

function oneLine(text: string): string {
  return printable(text.replace(/\s+/g, ' ').trim());
}

function withoutTrailingSpace(text: string): string {
  return text.replace(/[ \t]+$/gm, '');
}
