/** Where the answer to a request stands: with its server, and with its client. */
export interface StreamPosition {
  readonly serverId: string;
  /** What the server's link takes to go on; see `DownstreamLink.resume`. */
  readonly at: string | undefined;
  /** The highest progress that the client has been told, of a call that may be run again. */
  readonly progress: number | undefined;
}

/** More than this is not worth carrying in each event. */
const LONGEST = 1024;

/** Letters, digits, `-` and `_`, for an event id. Undefined where it would be too long. */
export function encodeStreamPosition({ serverId, at, progress }: StreamPosition): string | undefined {
  const text = Buffer.from(JSON.stringify([serverId, at ?? null, progress ?? null])).toString('base64url');
  return text.length > LONGEST ? undefined : text;
}

/** Undefined for what {@link encodeStreamPosition} does not make. It comes from a client: whoever uses it checks whose server that is. */
export function decodeStreamPosition(text: string): StreamPosition | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [serverId, at, progress] = value as unknown[];
  if (typeof serverId !== 'string' || !(at === null || typeof at === 'string')) return undefined;
  if (!(progress === null || typeof progress === 'number')) return undefined;
  return { serverId, at: at ?? undefined, progress: progress ?? undefined };
}
