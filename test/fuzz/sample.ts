/** A request that is right, to be made wrong. */
export interface Sample {
  /** The request line and the headers, but for `content-length`. */
  readonly lines: readonly string[];
  readonly body: Buffer;
  readonly isJson: boolean;
}

/** A request over HTTP/1.1. */
export function sample(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: unknown = undefined,
): Sample {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  if (Buffer.isBuffer(body)) return { lines, body, isJson: false };
  const text = body === undefined ? '' : JSON.stringify(body);
  return { lines, body: Buffer.from(text), isJson: text !== '' };
}
