import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { indexDescriptors, serializeWithImports } from './descriptor-index.ts';

const index = indexDescriptors([TurnstileService.file]);

test('symbols of every kind lead to the file that declares them', () => {
  const server = 'dragon/turnstile/api/v1/server.proto';
  const service = 'dragon/turnstile/api/v1/turnstile_service.proto';
  const cases: Record<string, string> = {
    'dragon.turnstile.api.v1.TurnstileService': service,
    'dragon.turnstile.api.v1.TurnstileService.GetMcpServer': service,
    'dragon.turnstile.api.v1.TestMcpServerResponse.ERA_LEGACY': service,
    'dragon.turnstile.api.v1.McpServer': server,
    'dragon.turnstile.api.v1.McpServer.name': server,
    'dragon.turnstile.api.v1.McpServer.target': server,
    'dragon.turnstile.api.v1.McpServer.Health.State': server,
    'google.protobuf.Struct': 'google/protobuf/struct.proto',
    'google.protobuf.NULL_VALUE': 'google/protobuf/struct.proto',
    'buf.validate.field': 'buf/validate/validate.proto',
  };
  for (const [symbol, path] of Object.entries(cases)) {
    assert.equal(index.fileBySymbol(symbol)?.proto.name, path, symbol);
    assert.ok(index.fileByPath(path));
  }
  for (const unknown of ['', 'dragon', 'dragon.turnstile.api.v1', '__proto__']) {
    assert.equal(index.fileBySymbol(unknown), undefined, unknown);
  }
});

test('extensions are found by number and listed', () => {
  assert.equal(
    index.fileByExtension('google.protobuf.FieldOptions', 1159)?.proto.name,
    'buf/validate/validate.proto',
  );
  assert.equal(index.fileByExtension('google.protobuf.FieldOptions', 1), undefined);
  assert.ok(index.extensionNumbers('google.protobuf.FieldOptions')?.includes(1159));
  assert.deepEqual(index.extensionNumbers('dragon.turnstile.api.v1.Tool'), []);
  assert.equal(index.extensionNumbers('no.Such'), undefined);
});

test('a file comes first, with all its imports after it, and each import once on a stream', () => {
  const sent = new Set<string>();
  const names = (path: string) =>
    serializeWithImports(index.fileByPath(path)!, sent).map(
      (bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name,
    );
  const first = names('dragon/turnstile/api/v1/turnstile_service.proto');
  assert.equal(first[0], 'dragon/turnstile/api/v1/turnstile_service.proto');
  assert.equal(new Set(first).size, first.length);
  assert.deepEqual(new Set(first), sent);
  assert.ok(first.includes('google/protobuf/descriptor.proto'));
  assert.deepEqual(names('dragon/turnstile/api/v1/server.proto'), ['dragon/turnstile/api/v1/server.proto']);
});
