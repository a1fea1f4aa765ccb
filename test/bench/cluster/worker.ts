/**
 * A process with nodes of simulated clusters: their real coordination through Redis, with the heartbeats of a gateway,
 * and nothing else of one. Does what the bench sends over the channel.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Coordination } from '../../../src/coordination/coordination.ts';
import { Heartbeat } from '../../../src/coordination/heartbeat.ts';
import { createRedisCoordination } from '../../../src/coordination/redis/index.ts';
import { STREAM_LOG_LIMITS } from '../../../src/coordination/stream-log.ts';
import { STREAM_EVENT, StandaloneStream } from '../../../src/session/standalone-stream.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { inLanes } from '../../load/lanes.ts';
import { LONG_MS, makeSession } from '../../support/coordination.ts';
import { Producer } from '../../support/streams.ts';
import { until } from '../../support/wait.ts';

const ASK = 'bench.ask';
const ANSWER = 'bench.answer';

/** Between two beats of a node, in milliseconds. */
const BEAT_MS = 1000;

/** Nodes that are opened at a time. */
const LANES = 20;

/** What is asked, answered and said, beside what it takes to know it again. */
const TEXT = 'x'.repeat(200);

/** After so long, a message counts as lost. */
const LOST_AFTER_MS = 10_000;

interface Node {
  readonly coordination: Coordination;
  readonly heartbeat: Heartbeat;
  gaps: number;
}

/** Messages at a steady rate, whether those before have arrived or not. */
interface Flow {
  /** A second. */
  readonly rate: number;
  readonly count: number;
}

interface Place {
  readonly node: string;
  readonly session: string;
}

const logger = createLogger({ level: 'silent', format: 'json', node: 'bench' });
const nodes = new Map<string, Node>();
const streams = new Map<string, StandaloneStream>();

/** Milliseconds that events took to the connection of their session. */
let heard: number[] = [];

const commands = {
  /** Opens nodes of one cluster. Resolves when all have beaten once. */
  async open(options: {
    readonly url: string;
    /** `phase`, from 0 to 1: when within a second the node beats. Nodes of a deployment began at different times. */
    readonly nodes: readonly { readonly id: string; readonly phase: number }[];
  }): Promise<void> {
    const beginnings: (() => Promise<void>)[] = [];
    await inLanes(options.nodes, LANES, async ({ id, phase }) => {
      // A busy machine is slow at times; what a command costs does not depend on how long it may take.
      const limits = { commandTimeoutMs: 5000, startTimeoutMs: 60_000 };
      const coordination = await createRedisCoordination({ url: options.url, nodeId: id, logger, ...limits });
      const facts = { address: '127.0.0.1:8081', version: '1.0.0', started: new Date().toISOString() };
      const describe = () => ({ id, ...facts, sessions: 100, streams: 100, state: 'ready' as const });
      const node: Node = { coordination, heartbeat: new Heartbeat(coordination.members, describe), gaps: 0 };
      coordination.bus.onGap(() => node.gaps++);
      nodes.set(id, node);
      beginnings.push(async () => {
        await delay(phase * BEAT_MS);
        await node.heartbeat.beat();
      });
    });
    await Promise.all(beginnings.map((begin) => begin()));
  },

  /** Rejects where a node had lost its connection meanwhile: it has not cost what it should have. */
  async close(): Promise<void> {
    await Promise.all([...nodes.values()].map(({ heartbeat }) => heartbeat.stop()));
    await Promise.all([...nodes.values()].map(({ coordination }) => coordination.close()));
    const gaps = [...nodes].filter(([, node]) => node.gaps > 0).map(([id]) => id);
    if (gaps.length > 0) throw new Error(`Nodes have lost their connection to Redis: ${gaps.join(', ')}`);
  },

  /** CPU milliseconds of this process since its start. */
  async cpu(): Promise<number> {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },

  /** From now on, this node answers the messages that it is asked with. */
  async answer({ node }: { readonly node: string }): Promise<void> {
    const { bus } = nodes.get(node)!.coordination;
    bus.on(ASK, ({ number }, from) => {
      // What is lost is missed by the node that asked.
      bus.send(from, { kind: ANSWER, number, text: TEXT }).catch(() => {});
    });
  },

  /** Sends messages to another node. Resolves with the milliseconds until their answers; rejects when one is lost. */
  async ask({ node, to, ...flow }: Flow & { readonly node: string; readonly to: string }): Promise<number[]> {
    const { bus } = nodes.get(node)!.coordination;
    const sentAt: number[] = [];
    const latencies: number[] = [];
    const off = bus.on(ANSWER, ({ number }) => {
      latencies.push(now() - sentAt[Number(number)]!);
    });
    await steadily(flow, async (number) => {
      sentAt[number] = now();
      await bus.send(to, { kind: ASK, number, text: TEXT });
    });
    await complete(latencies, flow.count);
    off();
    return latencies;
  },

  /** Makes a session with a full log, so that each event also costs the dropping of another. Resolves with its length. */
  async createSession({ node, session }: Place): Promise<number> {
    const { coordination } = nodes.get(node)!;
    await coordination.sessions.create(makeSession({ id: session }), node, LONG_MS);
    const count = STREAM_LOG_LIMITS.maxEvents;
    const producer = new Producer(coordination.streams, session);
    await inLanes(Array(count).keys(), LANES, () => producer.append(event()));
    return count;
  },

  /** This node holds the connection of the session's client, who has seen so many events. */
  async hold({ after, ...place }: Place & { readonly after: number }): Promise<void> {
    const stream = streamOf(place);
    nodes.get(place.node)!.coordination.bus.on(STREAM_EVENT, ({ sequence, data }) => {
      stream.receive(Number(sequence), String(data));
    });
    const write = (data: string) => {
      heard.push(now() - sentAtOf(data));
      return true;
    };
    const nothing = () => {};
    await stream.attach(
      { write, part: () => true, begin: nothing, finish: nothing, end: nothing },
      { sequence: after },
      false,
    );
  },

  /** Says things to the client of a session. */
  async say({ node, session, ...flow }: Flow & Place): Promise<void> {
    const stream = streamOf({ node, session });
    await steadily(flow, async () => stream.send(event()));
  },

  /** Resolves with the milliseconds that the last events took, once there are so many; rejects when one is lost. */
  async heard({ count }: { readonly count: number }): Promise<number[]> {
    await complete(heard, count);
    const latencies = heard;
    heard = [];
    return latencies;
  },
};

export type WorkerCommands = typeof commands;

function streamOf({ node, session }: Place): StandaloneStream {
  const known = streams.get(session);
  if (known !== undefined) return known;
  const { streams: log, bus } = nodes.get(node)!.coordination;
  const stream = new StandaloneStream({
    sessionId: session,
    log,
    bus,
    logger,
    key: undefined,
    onMoved: () => {},
  });
  streams.set(session, stream);
  return stream;
}

/** Milliseconds on the clock that all processes of this machine have in common. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const EVENT_START = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"';

const event = () => `${EVENT_START}${now()} ${TEXT}"}}`;

const sentAtOf = (data: string) => Number.parseFloat(data.slice(EVENT_START.length));

/** Rejects when one of the actions fails. */
async function steadily({ rate, count }: Flow, action: (number: number) => Promise<unknown>): Promise<void> {
  const begun = now();
  const running: Promise<unknown>[] = [];
  for (let done = 0; done < count; ) {
    const due = Math.min(count, ((now() - begun) * rate) / 1000);
    while (done < due) running.push(action(done++));
    await delay(Math.max(1, (done * 1000) / rate - (now() - begun)));
  }
  await Promise.all(running);
}

async function complete(arrived: readonly unknown[], count: number): Promise<void> {
  await until(() => arrived.length >= count, { what: `${count} messages`, timeoutMs: LOST_AFTER_MS });
  if (arrived.length > count) throw new Error(`${arrived.length} messages came where ${count} were sent`);
}

process.on('message', ({ id, name, options }: { id: number; name: keyof WorkerCommands; options: never }) => {
  commands[name](options).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
