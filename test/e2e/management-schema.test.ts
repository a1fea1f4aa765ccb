import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createRegistry, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function buf(...args: string[]): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(join(ROOT, 'node_modules', '.bin', 'buf'), args, {
    cwd: ROOT,
    encoding: 'buffer',
  });
  return stdout;
}

test('the schema is well formed and formatted', async () => {
  await buf('lint');
  await buf('format', '--exit-code', '--diff');
});

test('the rules declared here are those that are evaluated', async () => {
  const image = await buf('build', '--path', 'proto/buf', '--as-file-descriptor-set', '-o', '-');
  const { file } = fromBinary(FileDescriptorSetSchema, image);
  const declared = file.find(({ name }) => name === 'buf/validate/validate.proto');
  assert.ok(declared);
  const published = createRegistry(file_buf_validate_validate);
  assert.ok(declared.messageType.length > 0 && declared.extension.length > 0);
  for (const message of declared.messageType) {
    const theirs = published.getMessage(`buf.validate.${message.name}`);
    assert.ok(theirs, `${message.name} is published`);
    assertSameFields(message, theirs);
  }
  for (const { name, number } of declared.extension) {
    assert.equal(published.getExtension(`buf.validate.${name}`)?.number, number);
  }
  for (const { name, value } of declared.enumType) {
    const theirs = published.getEnum(`buf.validate.${name}`);
    for (const ours of value) assert.equal(theirs?.value[ours.number]?.name, ours.name);
  }
});

function assertSameFields(message: FileDescriptorProto['messageType'][number], theirs: DescMessage): void {
  for (const ours of message.field) {
    const found = theirs.fields.find(({ name }) => name === ours.name)?.proto;
    assert.deepEqual(
      [found?.number, found?.type, found?.typeName, found?.label],
      [ours.number, ours.type, ours.typeName, ours.label],
      `${message.name}.${ours.name}`,
    );
  }
}
