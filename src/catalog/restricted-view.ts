import type { Owner } from '../auth/principal.ts';
import type { Access } from '../policy/access.ts';
import type { CatalogEntry } from './entry.ts';
import { restrict } from './restrict.ts';
import type { Snapshot } from './snapshot.ts';
import { type CatalogView, type ChangedLists, changesBetween, type View } from './view.ts';

/** A view as somebody has it who may not use all of it. */
export class RestrictedView implements View {
  readonly #full: CatalogView;
  readonly #access: Access;
  readonly #pageSize: number;
  readonly #listeners = new Set<(changed: ChangedLists) => void>();
  /** The last that was made, and what it was made of. */
  #made: { readonly of: Snapshot; readonly snapshot: Snapshot } | undefined;
  #making: { readonly of: Snapshot; readonly snapshot: Promise<Snapshot> } | undefined;

  constructor(full: CatalogView, access: Access, pageSize: number) {
    this.#full = full;
    this.#access = access;
    this.#pageSize = pageSize;
    full.onChange(() => {
      // With nobody to tell, whoever asks next has it made.
      if (this.#listeners.size > 0) void this.snapshot().catch(() => {});
    });
  }

  get owner(): Owner {
    return this.#full.owner;
  }

  get users(): number {
    return this.#full.users;
  }

  set users(count: number) {
    this.#full.users = count;
  }

  get idleSince(): number {
    return this.#full.idleSince;
  }

  set idleSince(at: number) {
    this.#full.idleSince = at;
  }

  get isSettling(): boolean {
    return this.#full.isSettling;
  }

  get current(): Snapshot | undefined {
    const made = this.#made;
    return made !== undefined && made.of === this.#full.current ? made.snapshot : undefined;
  }

  async snapshot(): Promise<Snapshot> {
    const full = await this.#full.snapshot();
    if (this.#made?.of === full) return this.#made.snapshot;
    if (this.#making?.of === full) return this.#making.snapshot;
    const making = { of: full, snapshot: this.#make(full) };
    this.#making = making;
    try {
      return await making.snapshot;
    } finally {
      if (this.#making === making) this.#making = undefined;
    }
  }

  entry(serverId: string, fresh: boolean): Promise<CatalogEntry | undefined> {
    return this.#full.entry(serverId, fresh);
  }

  peek(serverId: string): CatalogEntry | undefined {
    return this.#full.peek(serverId);
  }

  onChange(listener: (changed: ChangedLists) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #make(full: Snapshot): Promise<Snapshot> {
    const snapshot = await restrict(full, this.#access, this.#pageSize);
    // One that was begun later may have been done before.
    if (this.#making !== undefined && this.#making.of !== full) return snapshot;
    const before = this.#made?.snapshot;
    this.#made = { of: full, snapshot };
    const changed = before && changesBetween(before, snapshot);
    if (changed !== undefined) for (const listener of [...this.#listeners]) listener(changed);
    return snapshot;
  }
}
