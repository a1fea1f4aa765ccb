import { isErrorObject } from '../protocol/answer.ts';
import {
  errorText,
  type Id,
  type Message,
  parseMessage,
  type RequestMessage,
  type ResponseMessage,
  replaceAt,
  resultText,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { ownNotification, ownRequest } from './call.ts';
import type { Channel, Opening } from './channel.ts';
import { ConnectionLost } from './connection-lost.ts';
import { Deadline, notRead } from './deadline.ts';
import { protocolError } from './http-errors.ts';
import { addressed, endedSubscription, listeningOf, wantsLogs } from './modern-pipe.ts';
import type { AnswerSink, CancelRequest, Deadlines } from './port.ts';
import { type Pending, progressNumber, renumber, type Share } from './stdio-pending.ts';
import { Subscriptions } from './subscriptions.ts';

const MAX_DEPTH = 512;

/**
 * Many sessions on one channel. Each chooses its request ids and progress tokens for itself, so both are replaced by
 * numbers of ours on the way out and put back on the way in; and what the server says is given to whom it concerns.
 */
export class Multiplexer {
  readonly #serverName: string;
  readonly #shares = new Set<Share>();
  readonly #pending = new Map<number, Pending>();
  /** Requests of the server's that a client is to answer, by id: only the session that was asked may answer. */
  readonly #asked = new Map<Id, Share>();
  readonly #paused = new Set<AnswerSink>();
  readonly #subscriptions = new Subscriptions<Share>();
  readonly #onIdle: () => void;
  #channel: Channel | undefined;
  /** The server at the other end is of the modern era. */
  #isModern = false;
  /** Of what is pending, requests that stay open to be told news. */
  #listening = 0;
  /** How often a channel was lost. */
  #closings = 0;
  #lastNumber = 0;

  /** `onIdle` is called whenever the last request under way has ended. */
  constructor(serverName: string, onIdle: () => void) {
    this.#serverName = serverName;
    this.#onIdle = onIdle;
  }

  get isIdle(): boolean {
    return this.#pending.size === this.#listening;
  }

  /** Somebody waits for news of a resource. */
  get hasSubscriptions(): boolean {
    if (!this.#subscriptions.isEmpty) return true;
    return [...this.#pending.values()].some(({ listening }) => listening?.needsServer === true);
  }

  /** Anybody shares it. */
  get isShared(): boolean {
    return this.#shares.size > 0;
  }

  get shares(): Iterable<Share> {
    return this.#shares;
  }

  add(share: Share): void {
    this.#shares.add(share);
    if (this.#shares.size > 1) this.#goOn();
  }

  /** Ends what a session has under way, and refuses what it was asked. */
  remove(share: Share): void {
    this.#shares.delete(share);
    for (const [number, pending] of this.#pending) {
      if (pending.owner === share)
        this.#cancel(number, new GatewayError(Code.Cancelled, 'The session has ended'));
    }
    for (const [id, asked] of this.#asked) {
      if (asked !== share) continue;
      this.#asked.delete(id);
      this.#channel?.write(errorText(id, -32603, 'The client has gone'));
    }
    for (const uri of this.#subscriptions.remove(share))
      this.#channel?.write(ownRequest('resources/unsubscribe', { uri }).text);
    if (this.isIdle) this.#onIdle();
  }

  /** A new channel, for the handshake on it. */
  open(channel: Channel): Opening {
    const closings = () => this.#closings;
    return {
      server: { name: this.#serverName },
      channel,
      get closings() {
        return closings();
      },
      request: (request, sink, deadlines) => {
        const number = this.#enter(request, sink, deadlines, undefined);
        channel.write(renumber(request, number).text);
        return (reason) => this.#settle(number)?.sink.fail(reason);
      },
      send: (message) => channel.write(message.text),
      use: (era) => this.#use(channel, era),
    };
  }

  /** Sends a request; where there is no channel, when `ready` has brought one. */
  request(
    share: Share,
    request: RequestMessage,
    sink: AnswerSink,
    deadlines: Deadlines,
    ready: () => Promise<unknown>,
  ): CancelRequest {
    if (this.#subscriptions.note(share, request)) {
      sink.answer(resultText(request.id, '{}'));
      return () => {};
    }
    const number = this.#enter(request, sink, deadlines, share);
    let text: string;
    let isAwaited = true;
    try {
      const renumbered = renumber(request, number);
      text = renumbered.text;
      const pending = this.#pending.get(number);
      if (pending !== undefined) pending.progressToken = renumbered.progressToken;
      if (pending?.listening !== undefined) {
        pending.listening.text = text;
        isAwaited = pending.listening.needsServer;
      }
    } catch (error) {
      this.#settle(number)?.sink.fail(GatewayError.from(error));
      return () => {};
    }
    if (this.#channel !== undefined) this.#send(number, text);
    else if (isAwaited) {
      ready().then(
        () => this.#send(number, text),
        (error) => this.#settle(number)?.sink.fail(GatewayError.from(error)),
      );
    }
    return (reason) => this.#cancel(number, reason);
  }

  /** A notification, or the answer to what the server asked this session. */
  send(share: Share, message: Message): void {
    if (message.kind === 'response') {
      if (this.#asked.get(message.id) !== share) return;
      this.#asked.delete(message.id);
    }
    this.#channel?.write(message.text);
  }

  /** What the server says on a channel. */
  receive(channel: Channel, message: Message): void {
    switch (message.kind) {
      case 'response':
        return this.#response(message.id, message);
      case 'request':
        return this.#serverRequest(channel, message);
      case 'notification':
        return this.#notification(channel, message);
    }
  }

  /** The channel is gone, with nothing under way. Whoever listens is heard of again on the next one. */
  rested(): void {
    this.#leave();
    for (const pending of this.#pending.values()) pending.isSent = false;
  }

  /** The channel is gone, and with it every request under way. */
  closed(error: GatewayError): void {
    this.#leave();
    const lost = new ConnectionLost(error.code, error.message, { cause: error });
    for (const number of [...this.#pending.keys()]) {
      const pending = this.#settle(number);
      pending?.sink.fail(pending.isSent ? lost : error);
    }
  }

  #leave(): void {
    this.#closings++;
    this.#channel = undefined;
    this.#asked.clear();
    this.#subscriptions.clear();
    this.#paused.clear();
  }

  #use(channel: Channel, era: 'modern' | 'legacy'): void {
    this.#channel = channel;
    this.#isModern = era === 'modern';
    for (const [number, { listening }] of this.#pending)
      if (listening !== undefined) this.#send(number, listening.text);
  }

  #enter(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines, owner: Share | undefined): number {
    const number = ++this.#lastNumber;
    const expired = (error: GatewayError) => this.#cancel(number, this.#paused.size > 0 ? notRead() : error);
    const deadline = new Deadline(deadlines, expired, this.#serverName);
    const { id } = request;
    const listening = listeningOf(request);
    if (listening !== undefined) this.#listening++;
    // Whoever shares a modern server's channel does so by its requests.
    else if (this.#isModern && this.#pending.size > this.#listening) this.#goOn();
    this.#pending.set(number, {
      id,
      progressToken: undefined,
      sink,
      deadline,
      owner,
      isSent: false,
      wantsLogs: false,
      listening,
    });
    return number;
  }

  #send(number: number, text: string): void {
    const pending = this.#pending.get(number);
    if (pending === undefined || pending.isSent || this.#channel === undefined) return;
    pending.isSent = true;
    pending.wantsLogs = this.#isModern && wantsLogs(text);
    this.#channel.write(text);
  }

  #response(id: Id, message: ResponseMessage): void {
    const pending = typeof id === 'number' ? this.#settle(id) : undefined;
    if (pending === undefined) return;
    if (message.error !== undefined && !isErrorObject(message.error)) {
      const problem = 'an error without a code and a message';
      return pending.sink.fail(protocolError(this.#serverName, problem));
    }
    pending.sink.answer(replaceAt(message, ['id'], JSON.stringify(pending.id)) ?? message.text);
  }

  #notification(channel: Channel, message: Message): void {
    if (this.#isModern) return this.#modernNotification(channel, message);
    const number = progressNumber(message);
    if (number === undefined) {
      for (const share of this.#shares)
        if (this.#subscriptions.concerns(share, message)) share.listener.message(message);
      return;
    }
    const pending = this.#pending.get(number);
    if (pending?.progressToken === undefined) return;
    pending.deadline.refresh();
    const text = replaceAt(message, ['params', 'progressToken'], pending.progressToken);
    if (text !== undefined) this.#toSink(channel, pending.sink, parseMessage(text, MAX_DEPTH));
  }

  /** What belongs to no request is nothing that anybody has asked for. */
  #modernNotification(channel: Channel, message: Message): void {
    const ended = endedSubscription(message);
    if (ended !== undefined && this.#pending.get(ended)?.listening !== undefined) {
      const reason = `Server "${this.#serverName}" has ended the subscription`;
      this.#settle(ended)?.sink.fail(new GatewayError(Code.DownstreamUnavailable, reason));
    }
    const found = addressed(message, this.#pending);
    if (found === undefined) return;
    const { to, text } = found;
    to.deadline.refresh();
    const heard = parseMessage(text, MAX_DEPTH);
    // News come when they come: nobody makes the server say less by reading slowly.
    if (to.listening !== undefined) to.sink.message(text, heard);
    else this.#toSink(channel, to.sink, heard);
  }

  #serverRequest(channel: Channel, message: RequestMessage): void {
    // A server of the modern era asks in its answers only, and is sent no responses.
    if (this.#isModern) return;
    if (message.method === 'ping') return channel.write(resultText(message.id, '{}'));
    // A channel does not say which call a request belongs to: it goes to whoever called last and still waits.
    const waiting = [...this.#pending.values()].filter(({ owner }) => owner !== undefined);
    const shares = [...this.#shares];
    const client = waiting.findLast(({ owner }) => owner?.isUnattended !== true);
    const listening = shares.findLast(({ isUnattended }) => isUnattended !== true);
    const pending = client ?? (listening === undefined ? waiting.at(-1) : undefined);
    const share = pending?.owner ?? listening ?? shares.at(-1);
    if (share === undefined) {
      return channel.write(errorText(message.id, -32603, 'No client is connected that could answer'));
    }
    this.#asked.set(message.id, share);
    if (pending === undefined) return share.listener.message(message);
    pending.deadline.refresh();
    this.#toSink(channel, pending.sink, message);
  }

  /**
   * A client that reads slowly slows the server down only where nobody else would wait for it. With others on the channel
   * it is left to the edge, which cuts a connection that leaves too much unread.
   */
  #toSink(channel: Channel, sink: AnswerSink, message: Message): void {
    if (sink.message(message.text, message)) return;
    const sharing = this.#isModern ? this.#pending.size - this.#listening : this.#shares.size;
    if (sharing > 1) return;
    this.#paused.add(sink);
    channel.pause();
    sink.drained = () => {
      sink.drained = undefined;
      this.#paused.delete(sink);
      if (this.#paused.size === 0) channel.resume();
    };
  }

  /** Others wait, too. */
  #goOn(): void {
    if (this.#paused.size === 0) return;
    this.#paused.clear();
    this.#channel?.resume();
  }

  #cancel(number: number, reason: GatewayError): void {
    const pending = this.#settle(number);
    if (pending === undefined) return;
    const params = { requestId: number, reason: reason.message };
    // `initialize` is never cancelled (2025-11-25, cancellation).
    if (pending.owner !== undefined && pending.isSent)
      this.#channel?.write(ownNotification('notifications/cancelled', params).text);
    pending.sink.fail(reason);
  }

  /** Takes a request out of what is pending. */
  #settle(number: number): Pending | undefined {
    const pending = this.#pending.get(number);
    if (pending === undefined) return undefined;
    this.#pending.delete(number);
    if (pending.listening !== undefined) this.#listening--;
    pending.deadline.clear();
    pending.sink.drained?.();
    if (this.isIdle) this.#onIdle();
    return pending;
  }
}
