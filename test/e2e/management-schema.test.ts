import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createRegistry, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'node_modules', '.bin');
/** Relative to src/gen: the one file there that is written by hand. */
const BY_HAND = join('buf', 'validate', 'validate_pb.ts');

async function buf(...args: string[]): Promise<Buffer> {
  const { stdout } = await promisify(execFile)(join(BIN, 'buf'), args, {
    cwd: ROOT,
    encoding: 'buffer',
    env: { ...process.env, PATH: `${BIN}${delimiter}${process.env['PATH']}` },
  });
  return stdout;
}

async function filesUnder(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = files.map(
    async (path) => [path.slice(folder.length + 1), await readFile(path, 'utf8')] as const,
  );
  return new Map(await Promise.all(read));
}

test('src/gen is what the schema generates', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-gen-'));
  context.after(() => rm(folder, { recursive: true }));
  await buf('generate', '--output', folder);
  const generated = await filesUnder(join(folder, 'src', 'gen'));
  const committed = await filesUnder(join(ROOT, 'src', 'gen'));
  assert.ok(committed.delete(BY_HAND));
  assert.deepEqual([...committed.keys()].sort(), [...generated.keys()].sort());
  for (const [path, text] of generated) {
    assert.equal(committed.get(path), text, `${path} is stale: run npx buf generate`);
  }
});

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
