import type { Random } from '../support/random.ts';
import type { Sample } from './sample.ts';

/** Values that break what was not written for them. */
const NASTY_VALUES = [
  'null',
  'true',
  '-0',
  '1e400',
  '9007199254740993',
  '""',
  '"\\ud800"',
  '"\\u0000"',
  '"__proto__"',
  '"../../etc/passwd"',
  '"a\\r\\nx-injected: 1"',
  '[]',
  '{}',
  '[[[[[[[[1]]]]]]]]',
  '{"__proto__":{"x":1},"constructor":1,"toString":null}',
  `"${'x'.repeat(5000)}"`,
  `[${'0,'.repeat(2000)}0]`,
  `${'['.repeat(200)}${']'.repeat(200)}`,
];

const NASTY_HEADERS = [
  '',
  ' ',
  '0',
  '-1',
  '*/*',
  'null',
  'Bearer ',
  'Bearer x',
  'application/json; charset=utf-16',
  'text/event-stream',
  'multipart/form-data',
  '2026-07-28',
  '9999-99-99',
  '127.0.0.1:1, evil.example',
  'chunked',
  'gzip',
  '18446744073709551616',
  '\u00ff\u0001',
  'x'.repeat(9000),
];

const NASTY_NAMES = [
  'content-length',
  'transfer-encoding',
  'connection',
  'expect',
  'upgrade',
  'host',
  'content-encoding',
  'mcp-session-id',
  'mcp-protocol-version',
  'mcp-method',
  'mcp-name',
  'last-event-id',
  'origin',
  'x-forwarded-for',
  'authorization',
  'connect-protocol-version',
  'connect-timeout-ms',
  'grpc-timeout',
  'grpc-encoding',
  'te',
  '__proto__',
  'bad name',
];

const METHODS = ['GET', 'POST', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'CONNECT', 'PRI', 'get', ''];

/** The bytes of a request that is a sample with one to three things wrong. The same for the same state of `random`. */
export function mutated(random: Random, sample: Sample): Buffer {
  let { lines, body } = sample;
  let bytes: Buffer | undefined;
  for (let left = 1 + random.below(3); left > 0; left--) {
    switch (random.choose({ json: sample.isJson ? 6 : 0, body: 2, header: 4, target: 1, bytes: 2 })) {
      case 'json':
        body = Buffer.from(mutatedJson(random, body.toString()));
        break;
      case 'body':
        body = mutatedBytes(random, body);
        break;
      case 'header':
        lines = mutatedHeaders(random, lines);
        break;
      case 'target':
        lines = [mutatedTarget(random, lines[0] ?? ''), ...lines.slice(1)];
        break;
      case 'bytes':
        bytes = mutatedBytes(random, bytes ?? framed(random, lines, body));
    }
  }
  return bytes ?? framed(random, lines, body);
}

/** Mostly with a length that is right, so that what is behind the framing gets its share. */
function framed(random: Random, lines: readonly string[], body: Buffer): Buffer {
  const length = random.below(10) === 0 ? random.below(2 * body.length + 2) : body.length;
  const framing = body.length === 0 && random.below(2) === 0 ? [] : [`content-length: ${length}`];
  return Buffer.concat([Buffer.from([...lines, ...framing, '', ''].join('\r\n'), 'latin1'), body]);
}

function mutatedHeaders(random: Random, lines: readonly string[]): readonly string[] {
  const at = 1 + random.below(Math.max(1, lines.length - 1));
  const line = lines[at] ?? 'x: y';
  const name = line.slice(0, Math.max(0, line.indexOf(':')));
  const before = lines.slice(0, at);
  const after = lines.slice(at + 1);
  switch (random.choose({ drop: 2, twice: 2, value: 4, add: 4, bytes: 1 })) {
    case 'drop':
      return [...before, ...after];
    case 'twice':
      return [...before, line, line, ...after];
    case 'value':
      return [...before, `${name}: ${pick(random, NASTY_HEADERS)}`, ...after];
    case 'add':
      return [...lines, `${pick(random, NASTY_NAMES)}: ${pick(random, NASTY_HEADERS)}`];
    case 'bytes':
      return [...before, mutatedBytes(random, Buffer.from(line, 'latin1')).toString('latin1'), ...after];
  }
}

function mutatedTarget(random: Random, line: string): string {
  const [method = '', target = '', version = ''] = line.split(' ');
  switch (random.choose({ method: 2, bytes: 2, path: 2, version: 1 })) {
    case 'method':
      return [pick(random, METHODS), target, version].join(' ');
    case 'bytes':
      return [method, mutatedBytes(random, Buffer.from(target, 'latin1')).toString('latin1'), version].join(
        ' ',
      );
    case 'path':
      return [
        method,
        `${target}${pick(random, ['/', '//', '/../', '?x=%', '%00', '#', '%2e%2e/'])}`,
        version,
      ].join(' ');
    case 'version':
      return [method, target, pick(random, ['HTTP/1.0', 'HTTP/2.0', 'HTTP/9', ''])].join(' ');
  }
}

/** A text that was JSON, with a value replaced, a member gone, doubled or under another name. */
function mutatedJson(random: Random, text: string): string {
  const places = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{}:,]/g)];
  const place = places[random.below(Math.max(1, places.length))];
  if (place === undefined) return pick(random, NASTY_VALUES);
  const start = place.index;
  const end = start + place[0].length;
  switch (random.choose({ value: 6, gone: 2, doubled: 2, member: 2 })) {
    case 'value':
      return text.slice(0, start) + pick(random, NASTY_VALUES) + text.slice(end);
    case 'gone':
      return text.slice(0, start) + text.slice(end);
    case 'doubled':
      return text.slice(0, end) + place[0] + text.slice(end);
    case 'member': {
      const brace = text.lastIndexOf('{', start);
      const name = pick(random, [
        '"id"',
        '"method"',
        '"params"',
        '"jsonrpc"',
        '"_meta"',
        '"name"',
        '"__proto__"',
      ]);
      return `${text.slice(0, brace + 1)}${name}:${pick(random, NASTY_VALUES)},${text.slice(brace + 1)}`;
    }
  }
}

/** Some bytes changed, gone, doubled, put in, or everything behind a place cut off. */
export function mutatedBytes(random: Random, bytes: Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const length = random.below(random.choose({ few: 3, many: 1 }) === 'few' ? 4 : 64);
  const [before, piece, after] = [
    bytes.subarray(0, at),
    bytes.subarray(at, at + length),
    bytes.subarray(at + length),
  ];
  switch (random.choose({ change: 4, gone: 2, doubled: 2, put: 2, cut: 1 })) {
    case 'change':
      return Buffer.concat([before, Buffer.from(piece.map(() => random.below(256))), after]);
    case 'gone':
      return Buffer.concat([before, after]);
    case 'doubled':
      return Buffer.concat([before, piece, piece, after]);
    case 'put':
      return Buffer.concat([
        before,
        Buffer.from(Array.from({ length }, () => random.below(256))),
        piece,
        after,
      ]);
    case 'cut':
      return before;
  }
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.below(items.length)]!;
}
