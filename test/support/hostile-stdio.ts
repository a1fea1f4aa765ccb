/**
 * An MCP server on stdin and stdout that is well-behaved but for one thing, named by the first argument; the second
 * is its parameter. Started as a process of its own, see {@link file://./stdio-commands.ts}.
 */
import { spawn } from 'node:child_process';
import { closeSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Peer } from './peer.ts';
import { PeerConnection } from './peer-connection.ts';
import type { Message } from './rpc.ts';
import { failure, isRequest, result } from './rpc.ts';

export type StdioBehaviour =
  /** Exits with code 3 before it reads anything. */
  | 'crash-at-start'
  /** Never answers `initialize`. */
  | 'never-initialize'
  /** Prints lines that are not JSON-RPC before and between its answers. */
  | 'garbage'
  /** Answers a call with a line that never ends. */
  | 'endless-line'
  /** Answers a call with half a line, then exits. */
  | 'half-line'
  /** Exits after as many calls as the parameter says (default 1), each answered. */
  | 'exit-after'
  /** Exits in the middle of a call. */
  | 'exit-in-call'
  /** Never answers a call. */
  | 'hang'
  | 'wrong-id'
  | 'duplicate'
  /** A right answer of 10 MB. */
  | 'huge'
  | 'list-fails'
  /** Goes on when told to end, by SIGTERM or by the end of stdin. */
  | 'ignore-sigterm'
  /** As ignore-sigterm, and has a child that does the same; both process ids go into the file named by the parameter. */
  | 'grandchild'
  /** Writes as many bytes to stderr as the parameter says (default 10 MB), before each answer. */
  | 'noisy-stderr'
  /** Closes stdout and lives on. */
  | 'close-stdout'
  /** Stops reading stdin after a message with the method that is its parameter (default: the handshake). */
  | 'deaf';

/** Long enough for any test, and the end of whatever a failed test leaves behind. */
const LIFE_LIMIT_MS = 120_000;

const TEN_MEGABYTES = 10 * 1024 * 1024;

if (import.meta.main) await main(process.argv[2] as StdioBehaviour, process.argv[3]);

async function main(behaviour: StdioBehaviour, parameter: string | undefined): Promise<void> {
  if (behaviour === 'crash-at-start') {
    process.stderr.write('Cannot find my configuration\n');
    process.exit(3);
  }
  if (behaviour === 'garbage') write('Welcome to my server!\n{"not": "rpc"}\n[1,2\n\n');
  if (behaviour === 'ignore-sigterm' || behaviour === 'grandchild') stayAlive();
  if (behaviour === 'grandchild') {
    const script = `process.on('SIGTERM', () => {}); setTimeout(() => {}, ${LIFE_LIMIT_MS});`;
    const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
    if (parameter !== undefined) writeWhole(parameter, `${process.pid}\n${child.pid}\n`);
  }

  const connection = new PeerConnection(new Peer({ name: `hostile-${behaviour}` }));
  const input = createInterface({ input: process.stdin });
  let calls = 0;
  for await (const line of input) {
    if (line.trim() === '') continue;
    const message: Message = JSON.parse(line);
    if (behaviour === 'noisy-stderr') await noise(Number(parameter ?? TEN_MEGABYTES));
    if (behaviour === 'garbage') write('debug: got a message\n');
    if (behaviour === 'deaf' && message.method === (parameter ?? 'notifications/initialized')) {
      process.stdin.pause();
      input.pause();
      stayAlive();
      return;
    }
    if (isRequest(message) && misbehaves(behaviour, message)) continue;
    const handled = connection.handle(message, send);
    if (message.method !== 'tools/call' || behaviour !== 'exit-after') continue;
    await handled;
    if (++calls >= Number(parameter ?? 1)) process.stdout.end(() => process.exit(1));
  }
}

/** Answers the one request that this behaviour is about; false leaves it to the good server. */
function misbehaves(behaviour: StdioBehaviour, { id, method }: Message & { id: string | number }): boolean {
  if (behaviour === 'never-initialize') return method === 'initialize';
  if (behaviour === 'list-fails' && method === 'tools/list') {
    send(failure(id, -32603, 'Out of order'));
    return true;
  }
  if (method !== 'tools/call') return false;
  const answer = result(id, { content: [{ type: 'text', text: 'answer' }] });
  switch (behaviour) {
    case 'hang':
      return true;
    case 'exit-in-call':
      process.exit(1);
      break;
    case 'endless-line':
      writeEndlessly();
      return true;
    case 'half-line':
      process.stdout.write(JSON.stringify(answer).slice(0, 30), () => process.exit(1));
      return true;
    case 'wrong-id':
      send({ ...answer, id: `not-${id}` });
      return true;
    case 'duplicate':
      send(answer);
      send(answer);
      return true;
    case 'huge':
      send(result(id, { content: [{ type: 'text', text: 'x'.repeat(TEN_MEGABYTES) }] }));
      return true;
    case 'close-stdout':
      // Its stream has no say in this: Node keeps stdout open.
      closeSync(1);
      stayAlive();
      return true;
    default:
      return false;
  }
}

function write(text: string): void {
  process.stdout.write(text);
}

function send(message: Message): void {
  write(`${JSON.stringify(message)}\n`);
}

/** The file is there only once it is complete. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.part`, text);
  renameSync(`${file}.part`, file);
}

function stayAlive(): void {
  process.on('SIGTERM', () => {});
  setTimeout(() => process.exit(), LIFE_LIMIT_MS);
}

/** A pause between chunks, so that a closed pipe is noticed; the end comes at 256 MB in any case. */
function writeEndlessly(): void {
  const chunk = 'x'.repeat(64 * 1024);
  let left = 4096;
  process.stdout.on('error', () => process.exit(1));
  const more = () => {
    if (left-- > 0) process.stdout.write(chunk, () => setImmediate(more));
  };
  more();
}

async function noise(bytes: number): Promise<void> {
  const line = `${'noise '.repeat(20)}\n`;
  const text = line.repeat(Math.ceil(bytes / line.length));
  await new Promise<void>((resolve) => process.stderr.write(text, () => resolve()));
}
