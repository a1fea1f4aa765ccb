import type { PeerTool } from './peer-tools.ts';
import { standardTools } from './peer-tools.ts';

export interface PeerOptions {
  readonly name?: string;
  readonly versions?: readonly string[];
  readonly instructions?: string;
  readonly tools?: readonly PeerTool[];
  readonly resources?: readonly {
    readonly uri: string;
    readonly name: string;
    readonly [key: string]: unknown;
  }[];
  readonly resourceTemplates?: readonly Record<string, unknown>[];
  readonly prompts?: readonly { readonly name: string; readonly [key: string]: unknown }[];
  /** Entries on one page of a list; default: all. */
  readonly pageSize?: number;
}

const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26'];

/** Thrown by a tool's `run` to answer a JSON-RPC error. */
export class PeerError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * What a well-behaved legacy server offers and how it answers, apart from any transport. Everything that a test
 * may want to change is a plain field; whoever changes a list says so to the clients.
 */
export class Peer {
  readonly name: string;
  readonly versions: readonly string[];
  readonly instructions: string | undefined;
  tools: readonly PeerTool[];
  resources: NonNullable<PeerOptions['resources']>;
  resourceTemplates: readonly Record<string, unknown>[];
  prompts: NonNullable<PeerOptions['prompts']>;
  pageSize: number;
  /** How often each method came, notifications included. */
  readonly methods: Record<string, number> = {};
  /** Calls that the client cancelled while they ran. */
  cancelled = 0;
  /** URIs with a subscription. */
  readonly subscriptions = new Set<string>();
  readonly #held = new Set<() => void>();

  constructor(options: PeerOptions = {}) {
    this.name = options.name ?? 'peer';
    this.versions = options.versions ?? LEGACY_VERSIONS;
    this.instructions = options.instructions;
    this.tools = options.tools ?? standardTools(this.#held);
    this.resources = options.resources ?? [];
    this.resourceTemplates = options.resourceTemplates ?? [];
    this.prompts = options.prompts ?? [];
    this.pageSize = options.pageSize ?? Number.POSITIVE_INFINITY;
  }

  /** Calls of the tool `hold` that wait to be released. */
  get held(): number {
    return this.#held.size;
  }

  /** Lets every call of the tool `hold` answer. */
  release(): void {
    for (const answer of this.#held) answer();
    this.#held.clear();
  }
}
