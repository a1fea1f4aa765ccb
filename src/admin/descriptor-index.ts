import {
  type DescEnum,
  type DescExtension,
  type DescFile,
  type DescMessage,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';

/** What a set of schema files declares, by name: all that server reflection answers from. */
export interface DescriptorIndex {
  fileByPath(path: string): DescFile | undefined;
  /** The file that declares a message, enum, service, method, field, value or extension of this full name. */
  fileBySymbol(name: string): DescFile | undefined;
  fileByExtension(messageName: string, number: number): DescFile | undefined;
  /** Numbers of the known extensions of a message, ascending; undefined for an unknown message. */
  extensionNumbers(messageName: string): readonly number[] | undefined;
}

/** Indexes these files and all that they import. */
export function indexDescriptors(roots: Iterable<DescFile>): DescriptorIndex {
  const files = new Map<string, DescFile>();
  const symbols = new Map<string, DescFile>();
  const messages = new Set<string>();
  const extensions = new Map<string, Map<number, DescFile>>();

  function addExtension(extension: DescExtension): void {
    symbols.set(extension.typeName, extension.file);
    const numbers = extensions.get(extension.extendee.typeName) ?? new Map<number, DescFile>();
    extensions.set(extension.extendee.typeName, numbers.set(extension.number, extension.file));
  }

  function addEnum(declared: DescEnum): void {
    symbols.set(declared.typeName, declared.file);
    // In Protobuf the values of an enum are its siblings.
    const scope = declared.typeName.slice(0, -declared.name.length);
    for (const value of declared.values) symbols.set(`${scope}${value.name}`, declared.file);
  }

  function addMessage(message: DescMessage): void {
    messages.add(message.typeName);
    symbols.set(message.typeName, message.file);
    for (const member of [...message.fields, ...message.oneofs]) {
      symbols.set(`${message.typeName}.${member.name}`, message.file);
    }
    for (const nested of message.nestedMessages) addMessage(nested);
    for (const nested of message.nestedEnums) addEnum(nested);
    for (const nested of message.nestedExtensions) addExtension(nested);
  }

  function addFile(file: DescFile): void {
    const path = pathOf(file);
    if (files.has(path)) return;
    files.set(path, file);
    for (const message of file.messages) addMessage(message);
    for (const declared of file.enums) addEnum(declared);
    for (const extension of file.extensions) addExtension(extension);
    for (const service of file.services) {
      symbols.set(service.typeName, file);
      for (const method of service.methods) symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const dependency of file.dependencies) addFile(dependency);
  }

  for (const root of roots) addFile(root);
  return {
    fileByPath: (path) => files.get(path),
    fileBySymbol: (name) => symbols.get(name),
    fileByExtension: (messageName, number) => extensions.get(messageName)?.get(number),
    extensionNumbers: (messageName) =>
      messages.has(messageName)
        ? [...(extensions.get(messageName)?.keys() ?? [])].sort((a, b) => a - b)
        : undefined,
  };
}

/**
 * The file, and after it those of its imports that are not in `sent`, which then holds all of them. Clients take the
 * first for the one that they asked for.
 */
export function serializeWithImports(file: DescFile, sent: Set<string>): Uint8Array[] {
  sent.add(pathOf(file));
  const imported = file.dependencies.filter((dependency) => !sent.has(pathOf(dependency)));
  return [
    toBinary(FileDescriptorProtoSchema, file.proto),
    ...imported.flatMap((dependency) =>
      sent.has(pathOf(dependency)) ? [] : serializeWithImports(dependency, sent),
    ),
  ];
}

function pathOf(file: DescFile): string {
  return file.proto.name;
}
