import { Code, GatewayError } from '../protocol/errors.ts';

/** What is wrong with one field of a request, by its path. */
export function wrongField(field: string, description: string): GatewayError {
  return new GatewayError(Code.InvalidArgument, `${field}: ${description}`, {
    fields: [{ field, description }],
  });
}

/** The fields that an InvalidArgument of `call` names, as paths of a request that holds them under `parent`. */
export async function withFieldsUnder<T>(parent: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || thrown.code !== Code.InvalidArgument) throw thrown;
    throw new GatewayError(thrown.code, thrown.message, {
      cause: thrown.cause,
      fields: thrown.fields.map(({ field, description }) => ({ field: `${parent}.${field}`, description })),
    });
  }
}
