import type { PrincipalLoad } from './load.ts';
import { fairLevel } from './share.ts';

export interface GovernorOptions {
  /** Longest that a turn of the event loop may take for a while, in milliseconds. 0: however long. */
  readonly maxTurnMs: number;
  /** Milliseconds. */
  readonly now?: () => number;
  /** Milliseconds of processor time that this thread has used. */
  readonly used?: () => number;
}

const SAMPLE_MS = 50;

/** Long turns in a row, for so long: a burst is worked off by then, and one long piece of work is one turn. */
const LONG_TURNS = 4;
const LONG_FOR_MS = 250;
const STALLED_MS = SAMPLE_MS + LONG_FOR_MS;

/** Without a refusal for so many samples there is time again. */
const CALM_SAMPLES = 10;

/**
 * What a turn is to be while there is too little time, as a share of the longest. Short turns have few calls under way, which
 * is faster for all of them: their memory is near, and free again before it has to be kept.
 */
const AIM = 0.2;
const LEAST = 0.05;
const LESS = 0.9;
const MORE = 1.05;

/** However long each takes, a turn takes in so many: a few clients with large requests are no flood. */
const MIN_PER_TURN = 32;

/** A loop that idles for more of the time has room. */
const BUSY = 0.9;
const LEAST_EASE = 0.01;
const MOST_EASE = 0.2;

/** How fast the node is found to be able to do more than it did. */
const GROWTH = 1.1;
/** Weight of the last window in what the node can do. */
const WEIGHT = 0.3;

/**
 * Keeps the turns of the event loop short. What makes a node slow is that each turn finds more to do than the one before;
 * how many calls that takes depends on what they are. So it is time that is measured: turns are sampled, and once they have
 * been too long for a while, each takes in new calls for a part of that time only. Calls that wait for a server, or for a
 * human, take none and are not in the way. Time is that of the processor: while other processes have it there is nothing to
 * be won by refusing.
 *
 * Meanwhile the calls of a window are shared fairly: who asks for less than others gets all of it.
 */
export class Governor {
  readonly #maxTurnMs: number;
  readonly #now: () => number;
  readonly #used: () => number;
  #timer: NodeJS.Timeout | undefined;
  #isShort = false;
  #longTurns = 0;
  #longSince = 0;
  #calmSamples = 0;
  /** Milliseconds of a turn in which calls are taken in. */
  #budgetMs = 0;

  #turnStart: number | undefined;
  #usedAtStart = 0;
  #takenInTurn = 0;
  /** All of this turn's time is. */
  #isSpent = false;
  #ease = 0;
  /** When a sample was last begun, and the processor time then. */
  #beatAt: number | undefined;
  #usedAtBeat = 0;

  #askers: PrincipalLoad[] = [];
  #admitted = 0;
  #refused = 0;
  /** Calls that the node can do in a window; undefined before the end of the first. */
  #capacity: number | undefined;
  #level = Number.POSITIVE_INFINITY;

  constructor({ maxTurnMs, now = () => performance.now(), used = threadTime }: GovernorOptions) {
    this.#maxTurnMs = maxTurnMs;
    this.#now = now;
    this.#used = used;
  }

  /** Share of those who wait for their refusals that may be told in a fiftieth of a second: more, as long as the loop idles. */
  get ease(): number {
    return this.#ease;
  }

  /** The node has less time than it is asked for. */
  get isShort(): boolean {
    return this.#isShort;
  }

  start(): void {
    if (this.#maxTurnMs === 0) return;
    this.#beatAt = this.#now();
    let before = performance.eventLoopUtilization();
    this.#timer = setInterval(() => {
      // From one immediate to the next is one turn, which does not wait for anything.
      setImmediate(() => {
        const from = this.#used();
        this.#beatAt = this.#now();
        this.#usedAtBeat = from;
        setImmediate(() => {
          const { utilization } = performance.eventLoopUtilization(before);
          before = performance.eventLoopUtilization();
          this.sample(this.#used() - from, utilization);
        });
      });
    }, SAMPLE_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * Whether the loop still turns; to be called every now and then. With more sockets ready than the loop asks the system for
   * at once, it goes on with them for up to 48 times before it looks at anything else, its timers included.
   */
  look(): void {
    if (this.#isShort || this.#beatAt === undefined || this.#now() - this.#beatAt < STALLED_MS) return;
    if (this.#used() - this.#usedAtBeat >= LONG_FOR_MS) this.#begin();
  }

  /**
   * Takes note of how long a turn was, and which share of the time since the last sample the loop was busy; `start` has this
   * called all the time.
   */
  sample(turnMs: number, utilization = 1): void {
    this.#ease =
      utilization < BUSY
        ? Math.min(MOST_EASE, this.#ease * 2 + LEAST_EASE)
        : Math.floor(this.#ease / LEAST_EASE / 2) * LEAST_EASE;
    if (this.#isShort) return this.#nextWindow(turnMs);
    if (turnMs <= this.#maxTurnMs) {
      this.#longTurns = 0;
      return;
    }
    const now = this.#now();
    if (this.#longTurns++ === 0) this.#longSince = now - turnMs;
    if (this.#longTurns >= LONG_TURNS && now - this.#longSince >= LONG_FOR_MS) this.#begin();
  }

  /** Whether a call may not begin now. Asked while the node is short of time, once for each call. */
  refuses(load: PrincipalLoad): 'node_busy' | 'principal_share' | undefined {
    if (load.asked++ === 0) this.#askers.push(load);
    const reason = this.#reason(load);
    if (reason === undefined) {
      load.admitted++;
      this.#admitted++;
    } else this.#refused++;
    return reason;
  }

  #reason(load: PrincipalLoad): 'node_busy' | 'principal_share' | undefined {
    if (load.admitted >= this.#level) return 'principal_share';
    // All of these together fit: the time that there is not is taken by others.
    if (this.#level !== Number.POSITIVE_INFINITY && !load.isHeavy) return undefined;
    return this.#hasTime() ? undefined : 'node_busy';
  }

  #hasTime(): boolean {
    if (this.#turnStart === undefined) {
      this.#turnStart = this.#now();
      this.#usedAtStart = this.#used();
      this.#takenInTurn = 0;
      this.#isSpent = false;
      setImmediate(this.#turnOver);
    }
    if (this.#takenInTurn++ < MIN_PER_TURN) return true;
    // As long as the clock says that it cannot be, the processor need not be asked.
    this.#isSpent ||=
      this.#now() - this.#turnStart >= this.#budgetMs && this.#used() - this.#usedAtStart >= this.#budgetMs;
    return !this.#isSpent;
  }

  readonly #turnOver = (): void => {
    this.#turnStart = undefined;
  };

  #begin(): void {
    this.#isShort = true;
    this.#longTurns = 0;
    this.#calmSamples = 0;
    this.#budgetMs = this.#maxTurnMs * AIM;
    this.#capacity = undefined;
    this.#level = Number.POSITIVE_INFINITY;
  }

  #nextWindow(turnMs: number): void {
    const change = turnMs > this.#maxTurnMs * AIM ? LESS : MORE;
    this.#budgetMs = Math.min(
      this.#maxTurnMs * AIM,
      Math.max(this.#maxTurnMs * LEAST, this.#budgetMs * change),
    );
    this.#calmSamples = this.#refused > 0 ? 0 : this.#calmSamples + 1;
    this.#isShort = this.#calmSamples < CALM_SAMPLES;
    this.#share();
  }

  /** What each may have in the next window, by what was asked in the last. */
  #share(): void {
    const askers = this.#askers;
    const before = this.#capacity ?? this.#admitted;
    this.#capacity = before + WEIGHT * (this.#admitted - before);
    const room = this.#capacity * GROWTH;
    // One alone has nobody to share with.
    this.#level =
      askers.length > 1
        ? fairLevel(
            askers.map(({ asked }) => asked),
            room,
          )
        : Number.POSITIVE_INFINITY;
    for (const load of askers) {
      load.isHeavy = load.asked > this.#level;
      load.asked = 0;
      load.admitted = 0;
    }
    this.#askers = [];
    this.#admitted = 0;
    this.#refused = 0;
  }
}

/** Milliseconds; of all threads where those of one are not known. */
function threadTime(): number {
  const { user, system } = process.threadCpuUsage?.() ?? process.cpuUsage();
  return (user + system) / 1000;
}
