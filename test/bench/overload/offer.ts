/**
 * An open-loop load generator: calls are made when their time has come, however long earlier ones take. A call whose time
 * has come while all connections wait for something is not made; it counts as one that found no connection. The time of
 * a call is counted from when it was to be made. With a rate of 0 it is a closed loop: each connection calls all the time.
 * Prints one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Caller } from './caller.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    rate: { type: 'string', default: '0' },
    connections: { type: 'string', default: '64' },
    /** Shared by the connections: what sessions cost is not measured here. */
    sessions: { type: 'string', default: '64' },
    payload: { type: 'string', default: '100' },
    duration: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '2' },
    tool: { type: 'string', default: 'echo' },
    /** Of processes whose time is counted, separated by commas. */
    pids: { type: 'string', default: '' },
    /** The core that the first of these has for itself, if it has one. */
    core: { type: 'string', default: '' },
  },
});

export interface Offered {
  /** Calls answered with a result in a second, and refused, and not made for want of a connection. */
  readonly good: number;
  readonly refused: number;
  readonly unmade: number;
  /** Answered in another way, and connections lost, in all. */
  readonly failed: number;
  /** Milliseconds, of calls with a result. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Of refusals. */
  readonly refusedP99: number;
  /** Share of a core that this generator took, and each of the processes that were named. */
  readonly cpu: number;
  readonly cpus: readonly number[];
  /** Share of the core that others took, or that the machine did not get: what is measured then says little. */
  readonly noise: number;
}

const url = new URL(values.url);
if (!url.hostname.startsWith('127.')) throw new Error('Only servers on this machine are put under load');
const rate = Number(values.rate) / 1000;
const free: Caller[] = [];
const latencies: number[] = [];
const refusals: number[] = [];
let unmade = 0;
let failed = 0;
let isCounted = false;
let isOver = false;

function answered(caller: Caller, status: number, latencyMs: number): void {
  if (isCounted) {
    if (status === 200) latencies.push(latencyMs);
    else if (status === 429 || status === 503) refusals.push(latencyMs);
    else failed++;
  }
  if (rate > 0) free.push(caller);
  else if (!isOver) caller.call(performance.now());
}

const callers = Array.from({ length: Number(values.connections) }, () => new Caller(url, answered));
const sessions = await Promise.all(callers.slice(0, Number(values.sessions)).map((caller) => caller.open()));
for (let at = 0; at < callers.length; at += sessions.length) {
  const batch = callers.slice(at, at + sessions.length);
  await Promise.all(
    batch.map((caller, n) => caller.join(sessions[n] ?? '', values.tool, Number(values.payload))),
  );
}

const begin = performance.now();
const countFrom = begin + Number(values.warmup) * 1000;
const end = countFrom + Number(values.duration) * 1000;
let cpuBefore = process.cpuUsage();
const pids = values.pids === '' ? [] : values.pids.split(',');
let ticksBefore: readonly number[] = [];
let takenBefore = 0;

/** Hundredths of a second in which the core was not idle. */
function taken(): number {
  if (values.core === '') return 0;
  const line =
    readFileSync('/proc/stat', 'utf8').match(new RegExp(`^cpu${values.core} (.*)$`, 'm'))?.[1] ?? '';
  const [user = 0, nice = 0, system = 0, , , interrupts = 0, soft = 0, stolen = 0] = line
    .split(' ')
    .map(Number);
  return user + nice + system + interrupts + soft + stolen;
}

/** Hundredths of a second of processor time that each process has used. */
function ticks(): readonly number[] {
  return pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
}
let due = begin;
if (rate > 0) free.push(...callers);
else for (const caller of callers) caller.call(begin);

function step(): void {
  const now = performance.now();
  if (!isCounted && now >= countFrom) {
    isCounted = true;
    cpuBefore = process.cpuUsage();
    ticksBefore = ticks();
    takenBefore = taken();
  }
  if (now >= end) return finish();
  while (rate > 0 && due <= now) {
    const caller = free.pop();
    if (caller !== undefined) caller.call(due);
    else if (isCounted) unmade++;
    // Calls of many that know nothing of each other.
    due += -Math.log(1 - Math.random()) / rate;
  }
  // What is due within this millisecond is made at its end: to look more often would cost more than the calls.
  setTimeout(step, 1);
}

function finish(): void {
  const { user, system } = process.cpuUsage(cpuBefore);
  isOver = true;
  isCounted = false;
  failed += callers.filter(({ isLost }) => isLost).length;
  for (const caller of callers) caller.close();
  const seconds = Number(values.duration);
  for (const times of [latencies, refusals]) times.sort((a, b) => a - b);
  const at = (times: readonly number[], share: number) => times[Math.floor(times.length * share)] ?? 0;
  const cpus = ticks().map((now, index) => (now - (ticksBefore[index] ?? now)) / 100 / seconds);
  const used = (taken() - takenBefore) / 100 / seconds;
  const offered: Offered = {
    good: latencies.length / seconds,
    refused: refusals.length / seconds,
    unmade: unmade / seconds,
    failed,
    p50: at(latencies, 0.5),
    p99: at(latencies, 0.99),
    max: latencies.at(-1) ?? 0,
    refusedP99: at(refusals, 0.99),
    cpu: (user + system) / 1e6 / seconds,
    cpus,
    noise: values.core === '' ? 0 : used - (cpus[0] ?? 0),
  };
  console.log(JSON.stringify(offered));
}

step();
