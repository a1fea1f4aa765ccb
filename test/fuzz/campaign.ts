import type { Gateway } from '../support/gateway.ts';
import { Random } from '../support/random.ts';
import { until } from '../support/wait.ts';
import { exchange } from './exchange.ts';

export interface CampaignOptions {
  readonly gateway: Gateway;
  /** Of the port. */
  readonly url: string;
  readonly count: number;
  readonly seed: number;
  /** The bytes of the next request. Called in order, so that the same seed makes the same requests. */
  readonly next: (random: Random) => Buffer;
  /** Once in a while, and at the end: whether the port still does what it is for. */
  readonly check: () => Promise<void>;
}

/** Connections at a time. */
const LANES = 48;

const CHECK_EVERY = 200;

/** What came of it: how many were answered with what, by the status; `closed` where there was none. */
export type Tally = Readonly<Record<string, number>>;

/**
 * Sends requests that are wrong. Rejects, with what makes it happen again, where one is answered by a fault of the gateway's, or
 * not at all; where the gateway ends, logs an error, or has something under way in the end that nobody waits for.
 */
export async function attack({ gateway, url, count, seed, next, check }: CampaignOptions): Promise<Tally> {
  const random = new Random(seed);
  const tally: Record<string, number> = {};
  let sent = 0;
  const lane = async () => {
    while (sent < count) {
      const number = sent++;
      const bytes = next(random);
      const again = `request ${number} of seed ${seed}: ${bytes.toString('base64').slice(0, 4000)}`;
      const answer = await exchange(url, bytes).catch((cause: unknown) => {
        throw new Error(`The gateway hangs. ${again}`, { cause });
      });
      const fault = faultIn(answer);
      if (fault !== undefined) throw new Error(`${fault}. ${again}\n${answer.slice(0, 500)}`);
      if (!gateway.isRunning) throw new Error(`The gateway has ended. ${again}`);
      const kind = /^HTTP\/1\.1 (\d\d\d)/.exec(answer)?.[1] ?? (answer === '' ? 'closed' : 'other');
      tally[kind] = (tally[kind] ?? 0) + 1;
      if (number % CHECK_EVERY === 0) await check();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  await check();
  const errors = gateway.output.split('\n').filter((line) => line.includes('"level":"error"'));
  if (errors.length > 0)
    throw new Error(`The gateway logged ${errors.length} errors. ${errors[0]?.slice(0, 2000)}`);
  await until(async () => (await metric(gateway, 'dragon_requests_in_flight')) === 0, {
    what: 'nothing to be under way',
  });
  return tally;
}

function faultIn(answer: string): string | undefined {
  if (/^HTTP\/1\.1 500 /.test(answer)) return 'A 500';
  if (/"code":-32603\b/.test(answer)) return 'An internal error in JSON-RPC';
  if (answer.includes('"code":"internal"')) return 'An internal error in Connect';
  // That of gRPC for a broken frame is what the protocol asks for; ours says this, and is in the log.
  if (answer.includes('Internal%20error')) return 'An internal error in gRPC';
  return undefined;
}

async function metric(gateway: Gateway, name: string): Promise<number> {
  const text = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
  const lines = text.split('\n').filter((line) => new RegExp(`^${name}[{ ]`).test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
