import {
  isObject,
  type Message,
  own,
  parseMessage,
  type RequestMessage,
  resultText,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type Edits, editRequest } from '../protocol/modern/json-edit.ts';
import { MetaKey } from '../protocol/modern/keys.ts';
import { isLogLevel, type LogLevel } from '../protocol/modern/log-level.ts';
import { editMeta, envelopeEdits } from '../protocol/modern/meta.ts';
import type { SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import { type ClientIdentity, handshakeOf } from './handshake.ts';
import type { InputAnswers } from './input-answers.ts';
import { InputRounds } from './input-rounds.ts';
import type { ModernLink } from './modern-port.ts';
import type {
  AnswerSink,
  CancelRequest,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  Mirrored,
  OpenOptions,
  PortableLink,
  ServerHandshake,
} from './port.ts';

const MAX_DEPTH = 512;

export interface LegacyViewOptions extends OpenOptions {
  readonly identity: ClientIdentity;
  readonly answers: InputAnswers;
}

/**
 * A server of the modern era as one of the legacy era: what a session would keep there (log level, subscriptions, what the
 * client can do) is kept here and goes with each request.
 */
export class LegacyView implements DownstreamLink {
  readonly server: DownstreamServer;
  readonly handshake: ServerHandshake;
  readonly #link: ModernLink;
  readonly #options: LegacyViewOptions;
  readonly #subscribed = new Set<string>();
  #envelope: Edits;
  #isListening = false;
  #stop: (() => void) | undefined;

  constructor(link: ModernLink, options: LegacyViewOptions) {
    this.server = link.server;
    this.#link = link;
    this.#options = options;
    this.handshake = handshakeOf(link.discovery);
    this.#envelope = this.#envelopeWith(undefined);
  }

  request(
    request: RequestMessage,
    sink: AnswerSink,
    deadlines: Deadlines,
    mirrored?: Mirrored,
  ): CancelRequest {
    if (this.#answered(request, sink)) return () => {};
    const text = editRequest(request.text, { meta: this.#envelope });
    if (text === undefined) {
      sink.fail(new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice'));
      return () => {};
    }
    const { answers, session, clientCapabilities } = this.#options;
    const options = { link: this.#link, answers, session, clientCapabilities };
    return new InputRounds(options, { ...request, text }, sink, deadlines, mirrored).start();
  }

  /** Of what a client sends only its answers matter: a server without a session has nobody to tell the rest. */
  send(message: Message): void {
    if (message.kind === 'response') this.#options.answers.deliver(this.#options.session, message);
  }

  listen(): void {
    this.#isListening = true;
    if (this.#stop === undefined) this.#subscribe();
  }

  unlisten(): void {
    this.#isListening = false;
    this.#stop?.();
    this.#stop = undefined;
  }

  wants(logLevel: string | undefined, subscriptions: readonly string[]): void {
    this.#envelope = this.#envelopeWith(isLogLevel(logLevel) ? logLevel : undefined);
    const before = [...this.#subscribed].sort().join('\n');
    this.#subscribed.clear();
    for (const uri of subscriptions) this.#subscribed.add(uri);
    if (this.#isListening && [...this.#subscribed].sort().join('\n') !== before) this.#subscribe();
  }

  async close(): Promise<void> {
    this.unlisten();
  }

  async release(): Promise<void> {
    this.unlisten();
  }

  get portable(): PortableLink {
    return { handshake: this.handshake };
  }

  /** What is asked of a session, and there is none at the server. */
  #answered(request: RequestMessage, sink: AnswerSink): boolean {
    const { method, params, id } = request;
    switch (method) {
      case 'ping':
        break;
      case 'logging/setLevel': {
        const level = params === undefined ? undefined : own(params, 'level');
        this.#envelope = this.#envelopeWith(isLogLevel(level) ? level : undefined);
        break;
      }
      case 'resources/subscribe':
      case 'resources/unsubscribe': {
        const uri: unknown = uriIn(request.text);
        if (typeof uri === 'string') this.#watch(uri, method === 'resources/subscribe');
        break;
      }
      default:
        return false;
    }
    sink.answer(resultText(id, '{}'));
    return true;
  }

  #watch(uri: string, on: boolean): void {
    const had = this.#subscribed.has(uri);
    if (on) this.#subscribed.add(uri);
    else this.#subscribed.delete(uri);
    if (had !== on && this.#isListening) this.#subscribe();
  }

  /** The new subscription first: what is said in between is rather heard twice than missed. */
  #subscribe(): void {
    const before = this.#stop;
    const filter = this.#filter();
    if (filter === undefined) this.#stop = undefined;
    else {
      const { listener } = this.#options;
      this.#stop = this.#link.listen(filter, {
        acknowledged: () => before?.(),
        message: (message) => this.#heard(message),
        restarted: () => listener.restarted(),
        ended: () => before?.(),
      });
      return;
    }
    before?.();
  }

  #heard(message: Message): void {
    const text = editMeta(message.text, [[MetaKey.SubscriptionId, undefined]]);
    if (text !== undefined) this.#options.listener.message(parseMessage(text, MAX_DEPTH));
  }

  /** Undefined where the server has nothing to say. */
  #filter(): SubscriptionFilter | undefined {
    const { capabilities } = this.#link.discovery;
    const filter = {
      toolsListChanged: says(capabilities, 'tools'),
      promptsListChanged: says(capabilities, 'prompts'),
      resourcesListChanged: says(capabilities, 'resources'),
      resourceSubscriptions: [...this.#subscribed],
      taskIds: [],
    };
    const isEmpty =
      !filter.toolsListChanged &&
      !filter.promptsListChanged &&
      !filter.resourcesListChanged &&
      this.#subscribed.size === 0;
    return isEmpty ? undefined : filter;
  }

  #envelopeWith(logLevel: LogLevel | undefined): Edits {
    const { identity, clientCapabilities } = this.#options;
    const { version } = this.#link.discovery;
    return envelopeEdits({
      protocolVersion: version,
      clientInfo: { ...identity },
      clientCapabilities,
      logLevel,
    });
  }
}

/** Whether the server says when a list changes. */
function says(capabilities: Readonly<Record<string, unknown>>, list: string): boolean {
  const capability = own(capabilities, list);
  return isObject(capability) && own(capability, 'listChanged') === true;
}

/** From the text: the params are the client's, and name the resource in its terms. */
function uriIn(text: string): unknown {
  const message = parseMessage(text, MAX_DEPTH);
  return message.kind === 'request' && message.params !== undefined ? own(message.params, 'uri') : undefined;
}
