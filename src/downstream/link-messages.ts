import type { BusMessage } from '../coordination/bus.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { ConnectionLost } from './connection-lost.ts';

/**
 * What nodes say to each other about processes. Every message has `link`: a name that the node which uses the process
 * gave, and by which both know one session's part in it. A request has a number, unique in its link. What belongs to its
 * answer is counted (`n`, from 0), so that it can be said again and is taken once.
 */
export const LINK = {
  /** To the owner. Begins: `serverId`, `serverName`, `tenantId`, `userId`, `revision`, `capabilities`, `session?`, `known?`. */
  open: 'link.open',
  /** `request`, `text`, `idleMs`, `totalMs`. */
  request: 'link.request',
  /** `request`, `reason`. */
  cancel: 'link.cancel',
  /** A notification, or the answer to what the server asked: `text`. */
  send: 'link.send',
  /** The client has read: `request`, `upTo` in characters since the beginning. */
  more: 'link.more',
  /** Messages may be lost: `requests`, each a number and how far it has come; `serverName`. */
  check: 'link.check',
  close: 'link.close',

  /** From the owner. The process is there: `handshake`, `isFresh`. */
  opened: 'link.opened',
  /**
   * Not taken, and nothing of it was done: `request`, `isForgotten` where its link is not known. Without a request it is
   * the link that was not opened: an error, or `how`, a {@link Displacement}.
   */
  refused: 'link.refused',
  /** It is under way: `request`. */
  taken: 'link.taken',
  /** `request`, `n`, `text` of a message before the answer. */
  message: 'link.message',
  /** `request`, `n`, `text`. */
  answer: 'link.answer',
  /** A large answer follows in pieces: `request`, `n`, `length` in bytes. */
  begin: 'link.begin',
  /** `request`, `n`, `text`. */
  data: 'link.data',
  /** `request`, `n`. */
  end: 'link.end',
  /** No answer will come: `request`, `n` unless nothing is known of it, `code`, `reason`, `retryAfter?`. */
  failed: 'link.failed',
  /** What the server says outside any request: `text`. */
  heard: 'link.heard',
  /** The process began anew: `handshake`, `tell`. */
  restarted: 'link.restarted',
  /** Takes nothing new here; what runs is finished. */
  moved: 'link.moved',
  /** Nothing more comes from here: `why`, an {@link Ending}. */
  ended: 'link.ended',
  /** The owner may have missed messages: it wants to be told what is under way. */
  gap: 'link.gap',
} as const;

/** Answers are sent whole up to this many characters, and in pieces of so many beyond. */
export const PIECE_CHARS = 65_536;

/** Characters of one answer that may be on their way to a client that has not read them. */
export const WINDOW_CHARS = 8 * PIECE_CHARS;

/** What is read off a message of another node: as deep as a client's or a server's may be. */
export const MAX_DEPTH = 1024;

const CODES: ReadonlySet<unknown> = new Set(Object.values(Code));

export function errorFields({ code, message, retryAfter }: GatewayError): Readonly<Record<string, unknown>> {
  return { code, reason: message, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

export function errorOf({ code, reason, retryAfter }: BusMessage): GatewayError {
  const details = typeof retryAfter === 'number' ? { retryAfter } : {};
  return new GatewayError(isCode(code) ? code : Code.Internal, String(reason), details);
}

/** Of a call that was sent to a process, and of which nobody can say what became of it. */
export function outcomeUnknown(serverName: string): ConnectionLost {
  return new ConnectionLost(
    Code.DownstreamUnavailable,
    `The node that ran the process of server "${serverName}" has gone; the outcome of the call is unknown`,
  );
}

/** Of a call that may or may not have reached its process. */
export function unreachable(serverName: string): ConnectionLost {
  return new ConnectionLost(
    Code.Unavailable,
    `The node that runs the process of server "${serverName}" cannot be reached now; the outcome of the call is unknown`,
    { retryAfter: 1 },
  );
}

/** Of a server whose process runs nowhere that could be asked now; nothing was sent. */
export function nowhere(serverName: string): GatewayError {
  return new GatewayError(
    Code.Unavailable,
    `The process of server "${serverName}" is moving between nodes; try again`,
    { retryAfter: 1 },
  );
}

/** Of a server that is another now, or none. */
export function replaced(serverName: string): GatewayError {
  return new GatewayError(
    Code.DownstreamUnavailable,
    `Server "${serverName}" was changed or removed in the meantime`,
  );
}

function isCode(value: unknown): value is Code {
  return CODES.has(value);
}
