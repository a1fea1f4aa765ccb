import {
  MAX_RECORDED,
  MAX_RECORDINGS,
  RECORDING_KEPT_MS,
  type RecordedEntry,
  type RecordingStore,
  type StoredRecording,
} from '../recordings.ts';
import type { MemoryHub } from './hub.ts';

export class MemoryRecordings implements RecordingStore {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async put(recording: StoredRecording): Promise<void> {
    const { recordings } = this.#hub;
    const known = recordings.get(recording.id);
    if (known !== undefined) known.recording = { ...recording };
    else recordings.set(recording.id, { recording: { ...recording }, entries: [], last: 0 });
    const [oldest] = this.#sorted();
    if (recordings.size > MAX_RECORDINGS && oldest !== undefined) recordings.delete(oldest.id);
  }

  async all(): Promise<readonly StoredRecording[]> {
    for (const [id, { recording }] of this.#hub.recordings) {
      if (recording.endsAt + RECORDING_KEPT_MS <= Date.now()) this.#hub.recordings.delete(id);
    }
    return this.#sorted().sort((a, b) => a.startedAt - b.startedAt);
  }

  async append(id: string, data: string): Promise<void> {
    const record = this.#hub.recordings.get(id);
    if (record === undefined) return;
    record.last++;
    record.entries.push({ id: String(record.last).padStart(16, '0'), data });
    if (record.entries.length > MAX_RECORDED) record.entries.shift();
  }

  async read(id: string, after: string | undefined, limit: number): Promise<readonly RecordedEntry[]> {
    const entries = this.#hub.recordings.get(id)?.entries ?? [];
    return entries.filter((entry) => after === undefined || entry.id > after).slice(0, limit);
  }

  /** That first which ended first. */
  #sorted(): StoredRecording[] {
    return [...this.#hub.recordings.values()]
      .map(({ recording }) => recording)
      .sort((a, b) => a.endsAt - b.endsAt);
  }
}
