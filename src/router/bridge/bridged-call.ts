import { ownRefusal } from '../../downstream/call.ts';
import { Deadline } from '../../downstream/deadline.ts';
import type { AnswerSink, CancelRequest, Deadlines } from '../../downstream/port.ts';
import {
  type Id,
  type Message,
  parseMessage,
  type RequestMessage,
  resultText,
} from '../../protocol/envelope.ts';
import { Code, GatewayError } from '../../protocol/errors.ts';
import { missingOf } from '../../protocol/modern/capabilities.ts';
import { type InputRequest, inputRequestOf } from '../../protocol/modern/input-request.ts';
import {
  inputRequiredResult,
  legacyResponseText,
  readRetry,
  unanswered,
} from '../../protocol/modern/input-required.ts';
import { requestDigest } from '../../protocol/modern/request-digest.ts';
import { type RequestStates, StateRefused } from '../../protocol/modern/request-state.ts';
import type { LegacyCall, ModernCaller } from '../modern-caller.ts';
import { LegacyAnswerSink } from '../modern-legacy-sink.ts';
import { legacyRequest } from '../modern-plain-calls.ts';
import type { ExclusiveSession, SessionUser } from './exclusive-sessions.ts';
import { TurningSink } from './turning-sink.ts';

/** For what the server still asks before its client is asked, in milliseconds: rather one round than two. */
const GATHER_MS = 5;

/** As long as timers can wait: who waits for the client is timed here, and not by the link. */
const UNTIMED: Deadlines = { idleMs: 2 ** 31 - 1, totalMs: 2 ** 31 - 1 };

export interface BridgedCallOptions {
  /** Under which the call is known on this node. */
  readonly park: string;
  readonly nodeId: string;
  readonly session: ExclusiveSession;
  readonly states: RequestStates;
  /** For how long a client may take to answer, in milliseconds. */
  readonly parkMs: number;
  readonly serverInfo: string;
  readonly maxJsonDepth: number;
  readonly heard: (message: Message) => void;
  /** It waits for its client now, or no longer. */
  readonly parked: (isParked: boolean) => void;
  /** The server is done with it. `isClean`: it has answered, and waits for nothing. */
  readonly onEnd: (isClean: boolean) => void;
  /** Nobody can come back for it any more. */
  readonly onForgotten: () => void;
}

interface Asked {
  readonly request: InputRequest;
  /** Under which the server waits for it. */
  readonly id: Id;
}

/**
 * A modern client's request at a legacy server that may ask the client something. What it asks ends the client's request
 * with `input_required`; the server's own goes on, and waits for the client to come back with the answers.
 */
export class BridgedCall implements SessionUser {
  readonly caller: ModernCaller;
  readonly #options: BridgedCallOptions;
  readonly #call: LegacyCall;
  readonly #deadlines: Deadlines;
  readonly #digest: Buffer;
  readonly #sink: TurningSink;
  #answer: LegacyAnswerSink | undefined;
  readonly #asked = new Map<string, Asked>();
  #lastKey = 0;
  #round = 0;
  #isParked = false;
  #isOver = false;
  #gathering: NodeJS.Timeout | undefined;
  /** Of the server while it works, or of the client while it is waited for. */
  #deadline: Deadline | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #cancelRequest: CancelRequest | undefined;

  constructor(call: LegacyCall, deadlines: Deadlines, options: BridgedCallOptions) {
    this.caller = call.caller;
    this.#call = call;
    this.#deadlines = deadlines;
    this.#options = options;
    this.#digest = requestDigest(call.request);
    this.#sink = new TurningSink(call.request.id);
    options.session.user = this;
  }

  start(sink: AnswerSink): void {
    const { request, caller, server } = this.#call;
    const { session, park, maxJsonDepth, serverInfo, heard } = this.#options;
    const legacy = legacyRequest(request, park, caller.meta.progressToken !== undefined, maxJsonDepth);
    if (legacy === undefined) {
      this.#end(false);
      return sink.fail(new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice'));
    }
    this.#sink.turnTo(sink);
    this.#answer = new LegacyAnswerSink(this.#sink, {
      request,
      sentAs: park,
      meta: caller.meta,
      serverName: server.name,
      serverInfo,
      asked: (asked) => this.asked(asked),
      heard,
    });
    this.#sink.onEnd = (isClean) => this.#end(isClean);
    this.#sink.onLife = () => this.#deadline?.refresh();
    this.#run();
    const cancel = session.link.request(legacy, this.#answer, UNTIMED);
    if (!this.#isOver) this.#cancelRequest = cancel;
  }

  /** The client comes back with answers. Throws StateRefused, and InvalidParams for answers that are none. */
  resume(round: number, retry: RequestMessage, progressToken: Id | undefined, sink: AnswerSink): void {
    // A state is good for one time: each round has its own.
    if (!this.#isParked || round !== this.#round) throw new StateRefused('expired');
    const { responses } = readRetry(retry.params);
    const requests = [...this.#asked.values()].map(({ request }) => request);
    const missing = new Set(unanswered(requests, responses).map(({ key }) => key));
    this.#unpark();
    this.#sink.turnTo(sink, { id: retry.id, progressToken });
    if (this.#isOver) return this.#options.onForgotten();
    for (const [key, { id }] of [...this.#asked]) {
      if (missing.has(key)) continue;
      this.#asked.delete(key);
      const text = legacyResponseText(retry.text, key, JSON.stringify(id));
      if (text !== undefined) this.#options.session.link.send(parseMessage(text, this.#options.maxJsonDepth));
    }
    this.#run();
    if (this.#asked.size > 0) this.#gather();
  }

  /** The digest that a retry has to have. */
  get digest(): Buffer {
    return this.#digest;
  }

  readonly cancel: CancelRequest = (reason) => {
    if (this.#isOver) return;
    const cancel = this.#cancelRequest;
    if (cancel === undefined) this.#sink.fail(reason);
    else cancel(reason);
  };

  asked(message: RequestMessage): void {
    const { link } = this.#options.session;
    if (message.method === 'ping') return link.send(parseMessage(resultText(message.id, '{}'), 8));
    const request = inputRequestOf(`ask-${++this.#lastKey}`, message);
    const missing = request && missingOf(request.needs, this.caller.meta.clientCapabilities);
    if (missing !== undefined) this.#answer?.refused(missing);
    if (this.#isOver || request === undefined || missing !== undefined)
      return link.send(ownRefusal(message.id, 'The client cannot do this'));
    this.#asked.set(request.key, { request, id: message.id });
    if (!this.#isParked) this.#gather();
  }

  heard(message: Message): void {
    this.#options.heard(message);
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#park();
    }, GATHER_MS);
  }

  #park(): void {
    if (this.#isOver || this.#asked.size === 0) return;
    const { states, nodeId, park, parkMs, serverInfo, parked } = this.#options;
    const { principal } = this.caller;
    this.#deadline?.clear();
    this.#isParked = true;
    const expiresAt = Date.now() + parkMs;
    const state = states.seal(
      { node: nodeId, park, round: ++this.#round, expiresAt },
      { tenantId: principal.tenantId, userId: principal.userId, digest: this.#digest },
    );
    const requests = [...this.#asked.values()].map(({ request }) => request);
    this.#expiry = setTimeout(() => this.#expired(), parkMs);
    this.#expiry.unref();
    parked(true);
    this.#sink.turnAway(inputRequiredResult(requests, state, serverInfo));
  }

  #expired(): void {
    if (!this.#isOver)
      this.cancel(new GatewayError(Code.Cancelled, 'The client did not come back with its answers'));
    this.#unpark();
    this.#options.onForgotten();
  }

  #unpark(): void {
    this.#isParked = false;
    clearTimeout(this.#expiry);
    this.#options.parked(false);
  }

  #run(): void {
    const { name } = this.#call.server;
    this.#deadline?.clear();
    this.#deadline = new Deadline(this.#deadlines, (error) => this.cancel(error), name);
  }

  #end(isClean: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#gathering);
    this.#deadline?.clear();
    this.#options.onEnd(isClean);
    // Who waits for it may still come for what became of it.
    if (!this.#isParked) this.#options.onForgotten();
  }
}
