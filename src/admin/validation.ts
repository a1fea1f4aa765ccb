import type { DescMessage, Message } from '@bufbuild/protobuf';
import { pathToString } from '@bufbuild/protobuf/reflect';
import { createValidator, type Violation } from '@bufbuild/protovalidate';
import { Code, type FieldViolation, GatewayError } from '../protocol/errors.ts';

/** Checks a request against the rules written in its schema. Throws InvalidArgument that names each wrong field. */
export type Validate = (schema: DescMessage, message: Message) => void;

export function createValidate(): Validate {
  const validator = createValidator();
  return (schema, message) => {
    const result = validator.validate(schema, message);
    if (result.kind === 'valid') return;
    if (result.kind === 'error') throw result.error;
    const fields = result.violations.map(toFieldViolation);
    throw new GatewayError(
      Code.InvalidArgument,
      fields.map(({ field, description }) => `${field}: ${description}`).join('; '),
      { fields },
    );
  };
}

function toFieldViolation({ field, message }: Violation): FieldViolation {
  const last = field.at(-1);
  const description =
    last?.kind === 'oneof'
      ? `give exactly one of ${last.fields.map(({ name }) => name).join(', ')}`
      : message;
  return { field: pathToString(field), description };
}
