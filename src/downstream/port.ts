import type { Owner } from '../auth/principal.ts';
import type {
  CallTimeouts,
  ServerEra,
  ServerRecord,
  ServerTarget,
  ToolTimeouts,
} from '../db/server-record.ts';
import type { Id, Message, RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { lentId } from './server-id.ts';

/**
 * Where everything goes that comes of one request to a downstream. Order of calls: `openStream` where the downstream
 * answers with a stream, any number of `message`, then exactly one of `answer`, `begin` … `end`, or `fail`.
 */
export interface AnswerSink {
  /** The downstream chose to answer with a stream. */
  openStream(): void;
  /**
   * JSON-RPC text that belongs to the request and comes before its answer. `position`: what {@link DownstreamLink.resume}
   * takes to go on after it, where the downstream gives such. False: the reader is slow, wait for `drained`.
   */
  message(text: string, message: Message, position?: string): boolean;
  /** The downstream says nothing, and that it can be come back to from here. */
  moveTo?(position: string): void;
  /** The whole answer, JSON-RPC text. */
  answer(body: string | Buffer): void;
  /** An answer too large to hold: its bytes follow. `length` in bytes, where known. */
  begin(length: number | undefined): void;
  /** False: the reader is slow, wait for `drained`. */
  data(chunk: Buffer): boolean;
  end(): void;
  /** No answer will come. After `begin` the rest is missing. */
  fail(error: GatewayError): void;
  /** Set by the downstream: called when a slow reader can take more. */
  drained: (() => void) | undefined;
}

/** How long a request may take, in milliseconds. */
export interface Deadlines {
  /** Since the request or the last sign of life that belongs to it. */
  readonly idleMs: number;
  /** In all, whatever progress is reported. */
  readonly totalMs: number;
}

/** Ends a request early: the downstream is told, and the sink fails with the reason. Does nothing once answered. */
export type CancelRequest = (reason: GatewayError) => void;

/** What a server said in its handshake. */
export interface ServerHandshake {
  readonly protocolVersion: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>>;
  readonly instructions?: string;
}

/** A session with a server in a form that any node can go on with. */
export interface PortableLink {
  /** Absent where the server gave none. */
  readonly sessionId?: string;
  readonly handshake: ServerHandshake;
}

/** What headers repeat of a request's text, where that is not what its params say. */
export interface Mirrored {
  /** The name, URI or task id as the server knows it. Default: what is in the params. */
  readonly name?: string | undefined;
  /** `Mcp-Param-*`, names and values in turn. */
  readonly params?: readonly string[] | undefined;
  /** The server finds them wrong: reads anew what they are made of. */
  readonly renewed?: (() => Promise<Mirrored | undefined>) | undefined;
}

/** One MCP session with a downstream server, or a share of one. */
export interface DownstreamLink {
  readonly server: DownstreamServer;
  readonly handshake: ServerHandshake;
  /** `mirrored`: for servers of the modern era, what headers repeat of the text where it is not what the params say. */
  request(
    request: RequestMessage,
    sink: AnswerSink,
    deadlines: Deadlines,
    mirrored?: Mirrored,
  ): CancelRequest;
  /**
   * Asks for what comes after a position of the answer to a request that another node has sent in this session. Absent
   * where a link can't. Fails with {@link ConnectionLost} where the server does not go on.
   */
  resume?(id: Id, position: string, sink: AnswerSink, deadlines: Deadlines): CancelRequest;
  /** Sends a notification, or the answer to a request of the server's. Lost in silence when the server is away. */
  send(message: Message): void;
  /**
   * Asks the server for what it has to say outside any request, after a position of its stream where one is named. Does
   * nothing where that comes anyway, or is asked for already.
   */
  listen(position?: string): void;
  /** No longer wants what {@link listen} asked for. */
  unlisten(): void;
  /**
   * Of a server that keeps no session: what the client wants of it from now on, in place of all that the link was told.
   * Absent where the server itself remembers.
   */
  wants?(logLevel: string | undefined, subscriptions: readonly string[]): void;
  /** Ends the session with the server. */
  close(): Promise<void>;
  /** Lets go of the session without ending it: another node goes on with it. */
  release(): Promise<void>;
  /** What another node needs to go on with this session; undefined where it can live on this node only. */
  readonly portable: PortableLink | undefined;
}

/** Told of what a server says outside any request. */
export interface LinkListener {
  /**
   * A notification or a request of the server's. `position`: what {@link DownstreamLink.listen} takes to go on after it,
   * where the server gives such.
   */
  message(message: Message, position?: string): void;
  /** The server says nothing, and that its stream can be come back to from here. */
  moveTo?(position: string): void;
  /** The server began anew: what it was told before (log level, subscriptions) is forgotten, what it lists may differ. */
  restarted(): void;
}

export interface OpenOptions {
  /** What the server is told its client can do. */
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
  readonly listener: LinkListener;
  readonly signal: AbortSignal;
  /** The client session that it is for. To a process, all links that name the same are one. Absent: the gateway itself. */
  readonly session?: string;
  /** Of a server that speaks both eras, the modern one is used. */
  readonly prefersModern?: boolean;
  /** Goes on with a session that another node opened, in place of opening one. */
  readonly resume?: PortableLink;
  /**
   * The server had forgotten the session and `opened` is a new one. Resolves with the one to use: that, or one that
   * another node was faster with.
   */
  readonly renewed?: (opened: PortableLink, lost: PortableLink) => Promise<PortableLink>;
}

/** A server as connections see it. */
export interface DownstreamServer {
  /** One that somebody else shares with the owner has an id of its own for each who uses it: see `server-id.ts`. */
  readonly id: string;
  /** Who uses it. */
  readonly owner: Owner;
  /** Whose it is, where that is somebody else. */
  readonly lender?: Owner;
  readonly name: string;
  /** Prefix of its public names; empty for none. */
  readonly prefix: string;
  readonly ordinal: number;
  readonly revision: number;
  /** `builtin`: the gateway's own tools, which are a server like any other to everyone but the connector. */
  readonly target: ServerTarget | { readonly kind: 'builtin' };
  /** What it was found to speak when its record was read. */
  readonly era?: ServerEra;
  /** Time limits of calls, where they are other than the gateway's. */
  readonly timeouts?: CallTimeouts;
  /** Time limits of calls of single tools, where they are other than the server's. */
  readonly toolTimeouts?: ToolTimeouts;
}

/** The id that a server goes by for who uses it. */
export function idInUse({ id, owner, lender }: Pick<ServerRecord, 'id' | 'owner' | 'lender'>): string {
  return lender === undefined ? id : lentId(id, owner);
}

/**
 * Whether a server is called with tokens that are got for each caller's own, which only the node has that the caller has called: no
 * node can then ask it for another, or by itself.
 */
export function isOfCallers({ target }: Pick<DownstreamServer, 'target'>): boolean {
  return target.kind === 'http' && target.oauth?.grant === 'token_exchange';
}

export function downstreamServer(record: ServerRecord): DownstreamServer {
  const { owner, lender, name, ordinal, revision, target, era, timeouts, toolTimeouts } = record;
  return {
    id: idInUse(record),
    owner,
    ...(lender === undefined ? {} : { lender }),
    name,
    ordinal,
    revision,
    target,
    prefix: record.toolPrefix ?? name,
    ...(era === undefined ? {} : { era }),
    ...(timeouts === undefined ? {} : { timeouts }),
    ...(toolTimeouts === undefined ? {} : { toolTimeouts }),
  };
}

/** Opens links. One adapter a transport. Throws DownstreamUnavailable, DownstreamProtocol, DownstreamTimeout, FailedPrecondition. */
export interface Connector {
  open(server: DownstreamServer, options: OpenOptions): Promise<DownstreamLink>;
  /** Ends what is kept for a server that has changed or gone. */
  drop(serverId: string): Promise<void>;
  close(): Promise<void>;
}
