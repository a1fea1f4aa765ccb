import { ownerKey } from '../../auth/principal.ts';
import type { Bus } from '../../coordination/bus.ts';
import type { Members } from '../../coordination/members.ts';
import type { AnswerSink, CancelRequest, Deadlines } from '../../downstream/port.ts';
import { own } from '../../protocol/envelope.ts';
import { Code, GatewayError } from '../../protocol/errors.ts';
import { readRetry } from '../../protocol/modern/input-required.ts';
import type { Capabilities } from '../../protocol/modern/meta.ts';
import { isMultiRound } from '../../protocol/modern/methods.ts';
import { requestDigest } from '../../protocol/modern/request-digest.ts';
import {
  type ParkedCall,
  type RequestStates,
  type StateRefusal,
  StateRefused,
} from '../../protocol/modern/request-state.ts';
import type { Logger } from '../../telemetry/types.ts';
import type { LegacyCall, LegacyCalls } from '../modern-caller.ts';
import { BridgedCall } from './bridged-call.ts';
import { type ExclusiveOptions, type ExclusiveSession, ExclusiveSessions } from './exclusive-sessions.ts';
import { RemoteRetries, type RetryWanted } from './remote-retries.ts';

/** What a client may be asked for in the middle of a request. */
const ASKABLE = ['elicitation', 'sampling', 'roots'] as const;

export interface BridgeOptions extends ExclusiveOptions {
  /** Makes the calls in which nobody can be asked. */
  readonly plain: LegacyCalls;
  readonly bus: Bus;
  readonly members: Members;
  readonly states: RequestStates;
  /** For how long a client may take to answer, in milliseconds. */
  readonly parkMs: number;
  /** Calls that wait for their clients at a time: of one principal, and in all. */
  readonly maxParkedOfOne: number;
  readonly maxParked: number;
  /** The gateway's `Implementation` as JSON text. */
  readonly implementation: string;
  readonly maxJsonDepth: number;
  readonly logger: Logger;
  readonly refused: (why: StateRefusal | 'replayed' | 'unknown') => void;
}

/**
 * Lets modern clients be asked by legacy servers. A call whose server may ask something gets a session of its own; one that
 * waits for its client stays on this node, and the client's next try is led here from whichever node it lands on.
 */
export class BridgedCalls implements LegacyCalls {
  readonly #options: BridgeOptions;
  readonly #sessions: ExclusiveSessions;
  readonly #retries: RemoteRetries;
  readonly #calls = new Map<string, BridgedCall>();
  readonly #parked = new Map<string, number>();
  #parkedInAll = 0;
  #lastCall = 0;

  constructor(options: BridgeOptions) {
    this.#options = options;
    this.#sessions = new ExclusiveSessions(options);
    this.#retries = new RemoteRetries(options.bus, options.members, (wanted, sink) =>
      this.#wanted(wanted, sink),
    );
  }

  /** Calls that wait for their clients now. */
  get parkedCount(): number {
    return this.#parkedInAll;
  }

  call(call: LegacyCall, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    const { requestState } = readRetry(call.request.params);
    if (requestState !== undefined) return this.#retry(call, requestState, sink);
    const capabilities = askable(call.caller.meta.clientCapabilities);
    const isPlain =
      capabilities === undefined ||
      !isMultiRound(call.request.method) ||
      call.server.target.kind === 'builtin';
    if (isPlain) return this.#options.plain.call(call, sink, deadlines);
    return this.#begin(call, capabilities, sink, deadlines);
  }

  dropServer(serverId: string): void {
    this.#sessions.drop(serverId);
    this.#options.plain.dropServer(serverId);
  }

  async close(): Promise<void> {
    this.#retries.close();
    const reason = new GatewayError(Code.Unavailable, 'The gateway is shutting down');
    for (const call of [...this.#calls.values()]) call.cancel(reason);
    await Promise.all([this.#sessions.close(), this.#options.plain.close()]);
  }

  #begin(
    call: LegacyCall,
    capabilities: Capabilities,
    sink: AnswerSink,
    deadlines: Deadlines,
  ): CancelRequest {
    const { principal } = call.caller;
    const { maxParked, maxParkedOfOne } = this.#options;
    const own = this.#parked.get(ownerKey(principal)) ?? 0;
    if (own >= maxParkedOfOne || this.#parkedInAll >= maxParked) {
      const reason = 'Too many calls wait for their clients; answer or give up some of them first';
      sink.fail(new GatewayError(Code.Unavailable, reason, { retryAfter: 5 }));
      return () => {};
    }
    const abort = new AbortController();
    let bridged: BridgedCall | undefined;
    let isOver = false;
    this.#sessions.take(principal, call.server, capabilities, abort.signal).then(
      (session) => {
        if (isOver) return this.#sessions.giveBack(session);
        bridged = this.#bridge(call, session, deadlines);
        bridged.start(sink);
      },
      (error) => {
        if (!isOver) sink.fail(GatewayError.from(error));
      },
    );
    return (reason) => {
      if (bridged !== undefined) return bridged.cancel(reason);
      if (isOver) return;
      isOver = true;
      abort.abort();
      sink.fail(reason);
    };
  }

  #bridge(call: LegacyCall, session: ExclusiveSession, deadlines: Deadlines): BridgedCall {
    const { nodeId, states, parkMs, maxJsonDepth, implementation } = this.#options;
    const park = `${session.id}.${++this.#lastCall}`;
    const key = ownerKey(call.caller.principal);
    const { serverInfo } = session.link.handshake;
    const isNamed = typeof serverInfo['name'] === 'string' && typeof serverInfo['version'] === 'string';
    const bridged = new BridgedCall(call, deadlines, {
      park,
      nodeId,
      session,
      states,
      parkMs,
      serverInfo: isNamed ? JSON.stringify(serverInfo) : implementation,
      maxJsonDepth,
      heard: () => {},
      parked: (isParked) => this.#count(key, isParked ? 1 : -1),
      onEnd: (isClean) => {
        if (isClean) this.#sessions.giveBack(session);
        else this.#sessions.discard(session);
      },
      onForgotten: () => this.#calls.delete(park),
    });
    this.#calls.set(park, bridged);
    return bridged;
  }

  #count(key: string, by: 1 | -1): void {
    this.#parkedInAll += by;
    const count = (this.#parked.get(key) ?? 0) + by;
    if (count === 0) this.#parked.delete(key);
    else this.#parked.set(key, count);
  }

  #retry({ caller, request }: LegacyCall, requestState: string, sink: AnswerSink): CancelRequest {
    const { states, nodeId } = this.#options;
    const { principal, meta } = caller;
    const { tenantId, userId } = principal;
    let state: ParkedCall;
    try {
      state = states.open(requestState, { tenantId, userId, digest: requestDigest(request) }, Date.now());
    } catch (error) {
      this.#refuse(error instanceof StateRefused ? error.refusal : 'tampered', sink, error);
      return () => {};
    }
    const { park, round, node } = state;
    const wanted = { park, round, request, progressToken: meta.progressToken, tenantId, userId };
    if (node === nodeId) return this.#wanted(wanted, sink) ?? (() => {});
    return this.#retries.send(node, wanted, sink, () => {
      const id = park.slice(0, park.lastIndexOf('.'));
      this.#sessions.endLost(principal, id).catch(() => {
        // The store is away; the sessions that are left over are ended later.
      });
    });
  }

  /** A retry for a call of this node's. Undefined where it was refused. */
  #wanted(wanted: RetryWanted, sink: AnswerSink): CancelRequest | undefined {
    const { park, round, request, progressToken, tenantId, userId } = wanted;
    const call = this.#calls.get(park);
    const owner = call?.caller.principal;
    if (call === undefined || owner?.tenantId !== tenantId || owner.userId !== userId) {
      this.#refuse('unknown', sink, new StateRefused('expired'));
      return undefined;
    }
    try {
      call.resume(round, request, progressToken, sink);
      return call.cancel;
    } catch (error) {
      if (error instanceof StateRefused) this.#refuse('replayed', sink, error);
      else sink.fail(GatewayError.from(error));
      return undefined;
    }
  }

  /** What was in it is nobody's to read: neither logged nor told. */
  #refuse(why: StateRefusal | 'replayed' | 'unknown', sink: AnswerSink, error: unknown): void {
    this.#options.refused(why);
    this.#options.logger.warn('a request state was refused', { why });
    sink.fail(GatewayError.from(error));
  }
}

/** What a client can be asked, as it declared it; undefined where that is nothing. */
function askable(declared: Capabilities): Capabilities | undefined {
  const found = ASKABLE.filter((name) => own(declared, name) !== undefined);
  if (found.length === 0) return undefined;
  return Object.fromEntries(found.map((name) => [name, name === 'roots' ? {} : own(declared, name)]));
}
