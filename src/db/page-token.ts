import { Code, GatewayError } from '../protocol/errors.ts';

/** The place after a row, as clients carry it: opaque to them. */
export function encodePageToken(ordinal: number): string {
  return Buffer.from(`after:${ordinal}`).toString('base64url');
}

/** InvalidArgument for anything that {@link encodePageToken} does not make. */
export function decodePageToken(token: string): number {
  const [, digits] = /^after:(\d{1,15})$/.exec(Buffer.from(token, 'base64url').toString('latin1')) ?? [];
  if (digits === undefined || encodePageToken(Number(digits)) !== token) {
    const description = 'is not a token that this list has given';
    throw new GatewayError(Code.InvalidArgument, `The page token ${description}`, {
      fields: [{ field: 'page_token', description }],
    });
  }
  return Number(digits);
}
