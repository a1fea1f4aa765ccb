import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';

/** How long ago, in one or two units: `4s`, `3m 20s`, `2d 5h`. */
export function ageOf(time: Timestamp | undefined, now: number = Date.now()): string {
  if (time === undefined) return '';
  const seconds = Math.max(0, Math.floor((now - timestampMs(time)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${seconds % 60}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${minutes % 60}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
