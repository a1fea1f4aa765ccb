import { setFlagsFromString } from 'node:v8';

/** A quarter of the megabytes of dead read buffers that may pile up. */
const YOUNG_MB = 1;

/**
 * Bounds what dead read buffers take. Each read from a socket makes a buffer outside V8's heap, and only a garbage
 * collection frees it. V8 has a threshold at which it makes a young collection for their sake, a matter of a
 * millisecond; but it follows from the largest size that the young generation may have by default, and lies at 128 MB
 * on Node 24. Long before, at 64 MB, memory outside the heap brings about a collection of the whole heap. So relaying
 * large results took 60 MB more, and nearly twice the processor time. The generation itself got its size when the
 * process started and keeps it.
 */
export function boundReadBuffers(): void {
  setFlagsFromString(`--scavenger-max-new-space-capacity-mb=${YOUNG_MB}`);
}
