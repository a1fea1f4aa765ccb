import type { DescFile, DescService } from '@bufbuild/protobuf';
import { Code, type ServiceImpl } from '@connectrpc/connect';
import { ServerReflection, type ServerReflectionRequest } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import {
  ServerReflection as ServerReflectionAlpha,
  type ServerReflectionRequest as ServerReflectionRequestAlpha,
} from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { type DescriptorIndex, indexDescriptors, serializeWithImports } from './descriptor-index.ts';
import { untilAborted } from './until-aborted.ts';

/** The two versions of the service differ in their package alone, so that one answer serves both. */
type Request = ServerReflectionRequest | ServerReflectionRequestAlpha;

type Answer =
  | { case: 'fileDescriptorResponse'; value: { fileDescriptorProto: Uint8Array[] } }
  | { case: 'allExtensionNumbersResponse'; value: { baseTypeName: string; extensionNumber: number[] } }
  | { case: 'listServicesResponse'; value: { service: { name: string }[] } }
  | { case: 'errorResponse'; value: { errorCode: number; errorMessage: string } };

export interface ReflectionServices {
  readonly v1: ServiceImpl<typeof ServerReflection>;
  readonly v1alpha: ServiceImpl<typeof ServerReflectionAlpha>;
}

/**
 * Tells clients without a schema what these services and reflection itself look like. Streams that wait for a question
 * end when `closing` is aborted.
 */
export function createReflection(services: readonly DescService[], closing: AbortSignal): ReflectionServices {
  const all = [...services, ServerReflection, ServerReflectionAlpha];
  const index = indexDescriptors(all.map((service) => service.file));
  const serviceNames = all.map((service) => service.typeName).sort();

  async function* answers<R extends Request>(requests: AsyncIterable<R>) {
    const sent = new Set<string>();
    for await (const request of untilAborted(requests, closing)) {
      const messageResponse = answer(index, serviceNames, request.messageRequest, sent);
      yield { validHost: request.host, originalRequest: request, messageResponse };
    }
  }

  return { v1: { serverReflectionInfo: answers }, v1alpha: { serverReflectionInfo: answers } };
}

function answer(
  index: DescriptorIndex,
  serviceNames: readonly string[],
  query: Request['messageRequest'],
  sent: Set<string>,
): Answer {
  switch (query.case) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: serviceNames.map((name) => ({ name })) } };
    case 'fileByFilename':
      return fileAnswer(index.fileByPath(query.value), `file ${query.value}`, sent);
    case 'fileContainingSymbol':
      return fileAnswer(index.fileBySymbol(query.value), `symbol ${query.value}`, sent);
    case 'fileContainingExtension': {
      const { containingType, extensionNumber } = query.value;
      const file = index.fileByExtension(containingType, extensionNumber);
      return fileAnswer(file, `extension ${extensionNumber} of ${containingType}`, sent);
    }
    case 'allExtensionNumbersOfType': {
      const numbers = index.extensionNumbers(query.value);
      if (numbers === undefined) return failure(Code.NotFound, `type ${query.value} not found`);
      return {
        case: 'allExtensionNumbersResponse',
        value: { baseTypeName: query.value, extensionNumber: [...numbers] },
      };
    }
    case undefined:
      return failure(Code.InvalidArgument, 'the request asks for nothing');
  }
}

function fileAnswer(file: DescFile | undefined, asked: string, sent: Set<string>): Answer {
  if (file === undefined) return failure(Code.NotFound, `${asked} not found`);
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto: serializeWithImports(file, sent) } };
}

function failure(errorCode: Code, errorMessage: string): Answer {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}
