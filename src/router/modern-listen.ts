import type { Principal } from '../auth/principal.ts';
import { resourceCandidates, type Snapshot, type Source } from '../catalog/snapshot.ts';
import type { ChangedLists } from '../catalog/view.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import {
  isObject,
  type NotificationMessage,
  notificationText,
  own,
  type Params,
  parseMessage,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { requireCapabilities } from '../protocol/modern/capabilities.ts';
import {
  acknowledgement,
  forStreams,
  honoured,
  listenResult,
  neededForFilter,
  readFilter,
  type SubscriptionFilter,
  wants,
} from '../protocol/modern/subscriptions.ts';
import { hasTasks } from '../protocol/modern/tasks.ts';
import { decodeTaskId } from '../protocol/task-id.ts';
import type { UnderWay } from './exchange.ts';
import type { ModernExchange } from './modern-exchange.ts';
import type { News } from './modern-hub.ts';
import type { OpenListener } from './modern-listeners.ts';
import { isSame, type Subject } from './modern-watch.ts';

/** Resources and tasks that one stream may watch. */
const MAX_SUBJECTS = 1000;

const LISTS = ['tools', 'prompts', 'resources'] as const;

/** Where something is watched that the client names. */
interface Place {
  readonly server: DownstreamServer;
  readonly subject: Subject;
  /** As the client names it. */
  readonly name: string;
}

/** `subscriptions/listen`: says what will be told, then tells it until one of the two has enough. */
export function listen(exchange: ModernExchange, snapshot: Snapshot): Promise<void> {
  const { message, caller } = exchange;
  const asked = readFilter(message.params);
  requireCapabilities(neededForFilter(asked), caller.meta.clientCapabilities);
  const { resourceSubscriptions, taskIds } = asked;
  if (resourceSubscriptions.length + taskIds.length > MAX_SUBJECTS) {
    const reason = `Invalid params: "notifications" names more than ${MAX_SUBJECTS} resources and tasks`;
    throw new GatewayError(Code.InvalidParams, reason);
  }
  const places = [
    ...resourceSubscriptions.flatMap((uri) => placesOfResource(snapshot, uri)),
    ...taskIds.flatMap((taskId) => placesOfTask(snapshot, taskId)),
  ];
  return new Listening(exchange, asked).start(places);
}

class Listening implements OpenListener, UnderWay {
  readonly #exchange: ModernExchange;
  readonly #asked: SubscriptionFilter;
  readonly #cleanups: (() => void)[] = [];
  /** What is told, once that is known. */
  #filter: SubscriptionFilter | undefined;
  /** What came before the client was told what is told. */
  readonly #early: News[] = [];
  #isOver = false;

  constructor(exchange: ModernExchange, asked: SubscriptionFilter) {
    this.#exchange = exchange;
    this.#asked = asked;
  }

  /** Resolves when the client has been told what it will hear of. */
  async start(places: readonly Place[]): Promise<void> {
    const { view, sink, options, message } = this.#exchange;
    this.#exchange.endWithClient(this);
    const { admission } = options;
    const load = admission.loadOf(this.#exchange.caller.principal);
    const refusal = admission.openStream(load);
    if (refusal !== undefined) throw refusal;
    options.listeners.add(this);
    view.users++;
    this.#cleanups.push(
      () => admission.closeStream(load),
      () => options.listeners.delete(this),
      () => {
        view.users--;
        view.idleSince = Date.now();
      },
      view.onChange((changed) => this.#listsChanged(changed)),
    );
    sink.openStream();
    const watched = await this.#watch(places);
    if (this.#isOver) return;
    this.#filter = honoured(this.#asked, {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      canWatch: (uri) => watched.has(`resource ${uri}`),
      canFollow: (taskId) => watched.has(`task ${taskId}`),
    });
    this.#exchange.ended('ok');
    const text = acknowledgement(message.id, this.#filter);
    sink.message(text, parseMessage(text, options.maxJsonDepth));
    for (const news of this.#early.splice(0)) this.#tell(news);
    if (options.listeners.isOver) this.end();
  }

  get principal(): Principal {
    return this.#exchange.caller.principal;
  }

  end(): void {
    if (this.#isOver) return;
    const { sink, options, message } = this.#exchange;
    this.#close();
    sink.answer(listenResult(message.id, options.implementation));
  }

  /** The client has gone away. */
  cancel(): void {
    if (!this.#isOver) this.#close();
  }

  #close(): void {
    this.#isOver = true;
    if (this.#filter === undefined) this.#exchange.ended('cancelled');
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
  }

  /** A server has been removed or changed: whoever has now what the client watches is listened to, and the client is told to look. */
  async #watchAgain(places: readonly Place[]): Promise<void> {
    const snapshot = await this.#exchange.view.snapshot();
    if (this.#isOver) return;
    const found = places.flatMap(({ subject, name }) =>
      subject.kind === 'resource' ? placesOfResource(snapshot, name) : placesOfTask(snapshot, name),
    );
    await this.#watch(found);
    for (const { subject, name } of places) if (subject.kind === 'resource') this.#tell(updatedNews(name));
  }

  /** Resolves with what is watched, by the client's names. */
  async #watch(places: readonly Place[]): Promise<ReadonlySet<string>> {
    const { caller, options } = this.#exchange;
    const byServer = Map.groupBy(places, ({ server }) => server);
    const watched = new Set<string>();
    const told = (news: News) => this.#tell(news);
    await Promise.all(
      [...byServer].map(async ([server, ofServer]) => {
        const subjects = ofServer.map(({ subject }) => subject);
        const watch = options.hub.watch(caller.principal, server, subjects, told, () => {
          this.#watchAgain(ofServer).catch((error) =>
            options.logger.warn('a server that has changed could not be listened to', {
              server: server.name,
              reason: String(error),
            }),
          );
        });
        this.#cleanups.push(() => watch.close());
        const refused = await watch.ready;
        for (const { subject, name } of ofServer) {
          if (!refused.some((each) => isSame(each, subject))) watched.add(`${subject.kind} ${name}`);
        }
      }),
    );
    return watched;
  }

  #tell(news: News): void {
    if (this.#isOver) return;
    if (this.#filter === undefined) {
      if (this.#early.length < MAX_SUBJECTS) this.#early.push(news);
      return;
    }
    const { sink, message } = this.#exchange;
    if (wants(this.#filter, news.method, news.params)) sink.message(news.on(message.id), news.message);
  }

  #listsChanged(changed: ChangedLists): void {
    for (const list of LISTS) if (changed[list]) this.#tell(CHANGED[list]);
  }
}

const CHANGED = Object.fromEntries(LISTS.map((list) => [list, changedNews(list)])) as Readonly<
  Record<(typeof LISTS)[number], News>
>;

function changedNews(list: string): News {
  return ownNews(`notifications/${list}/list_changed`, undefined);
}

function updatedNews(uri: string): News {
  return ownNews('notifications/resources/updated', { uri });
}

function ownNews(method: string, params: Params | undefined): News {
  const text = notificationText(method, params);
  const on = forStreams(text);
  if (on === undefined) throw new TypeError('a notification of our own has a key twice');
  const message: NotificationMessage = { kind: 'notification', method, params, text };
  return { method, params, message, on };
}

/** Servers that may know the resource and say when it changes. */
function placesOfResource(snapshot: Snapshot, name: string): Place[] {
  const watchable = new Set(snapshot.sources.filter(canSubscribe).map(({ server }) => server.id));
  return resourceCandidates(snapshot, name)
    .filter(({ server }) => watchable.has(server.id))
    .map(({ server, uri }) => ({ server, subject: { kind: 'resource', key: uri }, name }));
}

function placesOfTask({ sources }: Snapshot, name: string): Place[] {
  const task = decodeTaskId(name);
  const source = sources.find(({ server }) => server.id === task?.serverId);
  if (task === undefined || source?.catalog === undefined || !hasTasks(source.catalog.capabilities))
    return [];
  return [{ server: source.server, subject: { kind: 'task', key: task.taskId }, name }];
}

function canSubscribe({ catalog }: Source): boolean {
  const resources = catalog === undefined ? undefined : own(catalog.capabilities, 'resources');
  return isObject(resources) && own(resources, 'subscribe') === true;
}
