import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Context } from '../context.ts';
import { leaveOut } from '../context.ts';
import { Inspector } from '../inspector.ts';
import type { Footprint, Pair } from '../results.ts';
import { DIRECT, GATEWAY, GATEWAY_REDIS, NGINX, PROXY, SDK } from '../results.ts';
import { Scope } from '../scope.ts';
import type { Target, TargetName } from '../targets.ts';
import { startDownstream, startTarget, USUAL_TARGETS } from '../targets.ts';
import { output } from '../tools.ts';

/** Sockets that an open stream takes in the process, at most: a relay needs one to the server behind as well. */
const SOCKETS: Readonly<Record<string, number>> = { [PROXY]: 2, [NGINX]: 2, [SDK]: 3 };
/** For all else that has a file descriptor, such as connections that a relay keeps open. */
const OTHER_FILES = 1800;

/** More of them would take minutes to open. */
const MOST: Readonly<Record<string, number>> = { [SDK]: 3000 };

const SESSION_PAIRS: readonly Pair[] = [GATEWAY, GATEWAY_REDIS].map((name): Pair => [name, SDK]);
const STREAM_PAIRS: readonly Pair[] = [GATEWAY, GATEWAY_REDIS].flatMap((name) =>
  [PROXY, NGINX, SDK].map((base): Pair => [name, base]),
);

interface Grown {
  /** KB of resident memory for each, once garbage was collected, and before. */
  readonly kept: number;
  readonly asItStood: number;
}

/** What an idle session takes, and one with an open stream in all. */
export async function memory(context: Context): Promise<Footprint[]> {
  const sessions = { kept: {} as Record<string, number>, asItStood: {} as Record<string, number> };
  const streams = { kept: {} as Record<string, number>, asItStood: {} as Record<string, number> };
  for (const name of USUAL_TARGETS) {
    if (name === DIRECT) continue;
    const grown = await growOf(context, name).catch((error: unknown) =>
      leaveOut(context, `memory of ${name}`, error),
    );
    if (grown === undefined) continue;
    const { session, stream, count } = grown;
    // A relay knows of no sessions.
    if (name !== PROXY && name !== NGINX) {
      sessions.kept[name] = session.kept;
      sessions.asItStood[name] = session.asItStood;
    }
    streams.kept[name] = stream.kept;
    streams.asItStood[name] = stream.asItStood;
    const figures = `${session.kept.toFixed(1)} KB a session, ${stream.kept.toFixed(1)} KB with a stream`;
    context.log(`memory, ${name}, ${count} of them: ${figures}`);
  }
  const before = 'garbage not collected';
  return [
    { id: 'memory session', what: 'an idle session', kb: sessions.kept, pairs: SESSION_PAIRS },
    {
      id: 'memory stream',
      what: 'an idle session with an open stream',
      kb: streams.kept,
      pairs: STREAM_PAIRS,
    },
    { id: 'memory session raw', what: `an idle session, ${before}`, kb: sessions.asItStood, pairs: [] },
    {
      id: 'memory stream raw',
      what: `an idle session with an open stream, ${before}`,
      kb: streams.asItStood,
      pairs: [],
    },
  ];
}

async function growOf(context: Context, name: TargetName): ReturnType<typeof grow> {
  await using scope = new Scope();
  const downstream = await startDownstream(context, scope);
  const target = await startTarget(context, scope, downstream, name, { isInspected: true });
  return await grow(context, scope, target);
}

async function grow(
  context: Context,
  scope: Scope,
  target: Target,
): Promise<{ session: Grown; stream: Grown; count: number }> {
  const { plan, pinning, tools } = context;
  const files = (await fileLimit()) - OTHER_FILES;
  const most = Math.min(plan.idleSessions, MOST[target.name] ?? plan.idleSessions);
  const count = Math.min(most, Math.floor(files / (SOCKETS[target.name] ?? 1)));
  const load = (mode: string) => [...pinning.rest, ...tools.load, '--mode', mode, '--url', target.url];
  const start = async (sessions: number) => {
    const limits = ['--sessions', '16', '--max-ops', String(sessions), '--duration', '120'];
    const line = JSON.parse(await output([...load('init'), ...limits]));
    if (line.ops < sessions) throw new Error(`${target.name}: ${line.ops} sessions: ${line.firstError}`);
  };
  const inspector =
    target.inspectorUrl === undefined ? undefined : await Inspector.connect(target.inspectorUrl);
  scope.onEnd(() => inspector?.close());
  const settle = async () => {
    const asItStood = await residentKb(target.pid!);
    await inspector?.collectGarbage();
    return { asItStood, kept: await residentKb(target.pid!) };
  };
  // What the first ones make grow stays for those that come after.
  await start(Math.ceil(count / 3));
  const empty = await settle();
  await start(count);
  const withSessions = await settle();
  const holder = await hold([...load('idle'), '--sessions', String(count)], count);
  const withStreams = await settle();
  await release(holder);
  const grown = (after: Grown, before: Grown): Grown => ({
    kept: (after.kept - before.kept) / count,
    asItStood: (after.asItStood - before.kept) / count,
  });
  return { session: grown(withSessions, empty), stream: grown(withStreams, withSessions), count };
}

/** Opens streams and returns once all are open. */
async function hold([file, ...args]: readonly string[], count: number): Promise<ChildProcess> {
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close').then(() => undefined);
  const first = once(createInterface({ input: child.stdout }), 'line').then(([line]: string[]) => line);
  const line = await Promise.race([first, ended]);
  const { opened, firstError } = JSON.parse(line ?? '{}');
  if (opened !== count) {
    child.kill();
    throw new Error(`${opened ?? 0} of ${count} streams could be opened: ${firstError ?? 'no answer'}`);
  }
  return child;
}

async function release(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.stdin?.end();
  await closed;
}

async function residentKb(pid: number): Promise<number> {
  return Number(/^VmRSS:\s*(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Files that a process may have open, at most. */
async function fileLimit(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hard);
}
