import assert from 'node:assert/strict';
import { locate } from '../../src/protocol/json-text.ts';
import type { Message } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { type Reaction, reactingWith } from './react.ts';
import { type Heard, type React, TextClient } from './text-client.ts';
import type { OpenWire } from './wire.ts';

export type Side = 'direct' | 'through';

/** A moment: how many messages each side had heard. */
export type Mark = Readonly<Record<Side, number>>;

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

/** What differs by nature between two sessions with one server, and nothing else: the place is part of each pattern. */
const BY_NATURE: readonly (readonly [RegExp, string])[] = [
  [/(?<=created at )\d{1,2}:\d\d:\d\d(?:\s[AP]M)?/g, 'TIME'],
  [/(?<="(?:createdAt|lastUpdatedAt)":")\d{4}-\d\d-\d\dT[\d:.]+Z(?=")/g, 'TIME'],
  [new RegExp(`(?<=session |SessionId )${UUID}`, 'g'), 'SESSION'],
  // Those that the server makes up; the ones that callers give are no UUIDs.
  [new RegExp(`(?<="elicitationId":")${UUID}(?=")`, 'g'), 'ELICITATION'],
];

const DATED_BLOB = /^Resource \d+: This is a base64 blob created at /;

export interface SameOptions {
  /** Methods of the server whose messages, heard before the answer, have to be the same. */
  readonly meanwhile?: readonly string[];
  /** What is used by the request, for {@link Pair.used}; by default its `name` or `uri`. */
  readonly on?: string;
}

/** Two clients that do the same: one talks to a server directly, the other through the gateway. */
export class Pair {
  /** The methods requested so far, each with what it was used on. */
  readonly used = new Set<string>();
  /** Of both clients. */
  roots: readonly { readonly uri: string; readonly name?: string }[] = [{ uri: 'file:///a', name: 'A' }];
  /** Tasks by the ids that each client knows them by, with a name that is the same for both. */
  readonly #tasks = { direct: new Map<string, string>(), through: new Map<string, string>() };

  readonly direct = new TextClient(this.#reacting('accept'));
  readonly through = new TextClient(this.#reacting('accept'));

  async connect(direct: OpenWire, through: OpenWire, initialize: Record<string, unknown>): Promise<void> {
    await this.direct.connect(direct, initialize);
    await this.through.connect(through, initialize);
  }

  async close(): Promise<void> {
    await this.direct.close();
    await this.through.close();
  }

  react(reaction: Reaction): void {
    this.direct.react = this.#reacting(reaction);
    this.through.react = this.#reacting(reaction);
  }

  both<T>(act: (client: TextClient, side: Side) => Promise<T>): Promise<[T, T]> {
    return Promise.all([act(this.direct, 'direct'), act(this.through, 'through')]);
  }

  /** How much each has heard so far. */
  get mark(): Mark {
    return { direct: this.direct.heard.length, through: this.through.heard.length };
  }

  /**
   * Sends a request on both sides. Fails unless the texts of result or error are the same. Tasks that came of it are
   * known from then on. Returns both answers, direct first.
   */
  async same(
    method: string,
    params: Record<string, unknown> | ((side: Side) => Record<string, unknown>) = {},
    options: SameOptions = {},
  ): Promise<readonly [Message, Message]> {
    const on = (side: Side) => (typeof params === 'function' ? params(side) : params);
    const mark = this.mark;
    const [direct, through] = await this.both((client, side) => client.request(method, on(side)));
    this.used.add(`${method} ${options.on ?? on('direct')['name'] ?? on('direct')['uri'] ?? ''}`.trim());
    this.#learnTask('direct', direct);
    this.#learnTask('through', through);
    assert.equal(this.#outcome('through', through), this.#outcome('direct', direct), method);
    this.sameHeard(mark, options.meanwhile ?? []);
    return [direct.message, through.message];
  }

  /** Fails unless both have heard the same messages of these methods since the mark. */
  sameHeard(mark: Mark, methods: readonly string[]): void {
    const texts = (side: Side) =>
      this.heard(side, mark, ({ method }) => methods.includes(method ?? '')).map(
        (heard) => `${heard.message.method} ${this.comparable(side, memberText(heard, 'params'))}`,
      );
    assert.deepEqual(texts('through'), texts('direct'));
  }

  /** Waits until both have heard so many messages of this kind since the mark. */
  async untilHeard(
    mark: Mark,
    count: number,
    isWanted: (message: Message) => boolean,
    what: string,
  ): Promise<void> {
    await this.both((_client, side) =>
      until(() => this.heard(side, mark, isWanted).length >= count, { what: `${what} ${side}` }),
    );
  }

  heard(side: Side, mark: Mark, isWanted: (message: Message) => boolean): Heard[] {
    return this[side].heard.slice(mark[side]).filter(({ message }) => isWanted(message));
  }

  /** The id by which a side knows a task. */
  task(side: Side, name: string): string {
    const found = [...this.#tasks[side]].find(([, each]) => each === name);
    assert.ok(found, `${name} is not known`);
    return found[0];
  }

  /** The name of a task that a side knows by this id. */
  nameOf(side: Side, taskId: string): string {
    const name = this.#tasks[side].get(taskId);
    assert.ok(name, `${taskId} is not known`);
    return name;
  }

  /** Text with all that differs by nature replaced. */
  comparable(side: Side, text: string): string {
    let comparable = text.replace(/(?<="blob":")[A-Za-z0-9+/=]+(?=")/g, (blob) => {
      const content = Buffer.from(blob, 'base64').toString();
      return DATED_BLOB.test(content) ? content : blob;
    });
    for (const [pattern, name] of BY_NATURE) comparable = comparable.replace(pattern, name);
    for (const [id, name] of this.#tasks[side]) comparable = comparable.replaceAll(`"${id}"`, `"${name}"`);
    return comparable;
  }

  #reacting(reaction: Reaction): React {
    return reactingWith(reaction, () => this.roots);
  }

  #outcome(side: Side, heard: Heard): string {
    const key = heard.message.error === undefined ? 'result' : 'error';
    return `${key} ${this.comparable(side, memberText(heard, key))}`;
  }

  #learnTask(side: Side, { message }: Heard): void {
    const id = message.result?.task?.taskId;
    if (typeof id === 'string') this.#tasks[side].set(id, `task ${this.#tasks[side].size + 1}`);
  }
}

/** The text of one member of a message. */
export function memberText({ text, message }: Heard, key: 'result' | 'error' | 'params'): string {
  const span = locate(text, [key]);
  if (span === undefined) return 'absent';
  const found = text.slice(span.start, span.end);
  assert.deepEqual(JSON.parse(found), message[key]);
  return found;
}
