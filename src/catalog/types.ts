import type { Principal } from '../auth/principal.ts';
import type { Page, PageRequest, ServerPatch, ServerRecord, ServerSpec } from '../db/server-record.ts';
import type { Span } from '../protocol/json-text.ts';

/** A list entry exactly as the downstream sent it, unknown fields included. */
export type RawEntry = Readonly<Record<string, unknown>>;

/** One entry of a list, with its text: what is relayed is the text, so that nothing in it changes on the way. */
export interface ListedEntry {
  /** The tool's or prompt's name, the resource's URI, the template. */
  readonly key: string;
  readonly entry: RawEntry;
  readonly text: string;
  /** Where the key's value stands in the text. */
  readonly keySpan: Span;
}

/** What a server said of itself when it was last asked. */
export interface ServerCatalog {
  readonly tools: readonly ListedEntry[];
  readonly resources: readonly ListedEntry[];
  readonly resourceTemplates: readonly ListedEntry[];
  readonly prompts: readonly ListedEntry[];
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly serverInfo: Readonly<Record<string, unknown>>;
  readonly instructions?: string;
  readonly protocolVersion: string;
  readonly fetchedAt: Date;
}

/** How a server is doing, as far as is known: the breaker on this node, the rest on all nodes alike. */
export interface ServerHealth {
  readonly state: 'unknown' | 'ok' | 'failing';
  /** `open`: calls are refused for a while after too many failures in a row; `half-open`: the next one is a trial. */
  readonly breaker: 'closed' | 'open' | 'half-open';
  /** Why it is failing, for people: the last failure, or why it can't be used at all. Absent unless failing. */
  readonly error?: string;
  readonly checkedAt?: Date;
}

/** Outcome of connecting to a server once, on an operator's behalf. */
export type TestReport =
  | {
      readonly ok: true;
      readonly era: 'legacy' | 'modern';
      readonly protocolVersion: string;
      readonly serverInfo: Readonly<Record<string, unknown>>;
      readonly capabilities: Readonly<Record<string, unknown>>;
      readonly toolCount: number;
      /** Milliseconds from the first byte sent to the completed handshake. */
      readonly latencyMs: number;
    }
  | { readonly ok: false; readonly error: string; readonly latencyMs: number };

/** An entry under the name clients see. */
export interface PublicEntry {
  /** Tools and prompts: the public name. Resources and templates: the URI clients use. */
  readonly publicName: string;
  readonly entry: RawEntry;
}

export interface SeenEntries {
  readonly tools: readonly PublicEntry[];
  readonly resources: readonly PublicEntry[];
  readonly resourceTemplates: readonly PublicEntry[];
  readonly prompts: readonly PublicEntry[];
}

/**
 * The servers that somebody has, own and shared ones, for whoever manages them (`admin/`). Changes are stored, announced,
 * and reach connected clients as `list_changed`. Errors: GatewayError with InvalidArgument (fields named), AlreadyExists,
 * NotFound, Forbidden (what is shared is for admins to change), Conflict (a patch of another revision than the stored one), FailedPrecondition (stdio switched off).
 */
export interface ServerManager {
  create(principal: Principal, spec: ServerSpec): Promise<ServerRecord>;
  get(principal: Principal, id: string): Promise<ServerRecord>;
  findByName(principal: Principal, name: string): Promise<ServerRecord>;
  page(principal: Principal, request: PageRequest): Promise<Page<ServerRecord>>;
  update(principal: Principal, id: string, patch: ServerPatch): Promise<ServerRecord>;
  delete(principal: Principal, id: string): Promise<void>;
  /** Connects anew, apart from any connection in use, and says how it went. Never throws for a failing server. */
  test(principal: Principal, id: string, signal: AbortSignal): Promise<TestReport>;
  /** Fetches the lists again. Throws DownstreamUnavailable, DownstreamProtocol, DownstreamTimeout. */
  refresh(principal: Principal, id: string, signal: AbortSignal): Promise<SeenEntries>;
  /** What the gateway has of a server, fetched where it has nothing yet. Throws as refresh. */
  seen(principal: Principal, id: string, signal: AbortSignal): Promise<SeenEntries>;
  health(record: ServerRecord): Promise<ServerHealth>;
}
