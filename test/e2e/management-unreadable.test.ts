import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { test } from 'node:test';
import { startManagement } from './management-start.ts';

const PATH = '/dragon.turnstile.api.v1.TurnstileService/ListMcpServers';

/** A field whose text is longer than what follows. */
const MESSAGE = Buffer.from([0x12, 0x7f, 0x61]);
const ENVELOPED = Buffer.concat([Buffer.from([0, 0, 0, 0, MESSAGE.length]), MESSAGE]);

/** In gRPC's numbers. */
const INVALID_ARGUMENT = 3;

test('a message that is none is its sender’s mistake in all three protocols', async (t) => {
  const { url, logged } = await startManagement(t);
  const post = async (type: string, body: Buffer) =>
    fetch(url + PATH, { method: 'POST', headers: { 'content-type': type }, body: new Uint8Array(body) });

  const connect = await post('application/proto', MESSAGE);
  assert.equal(connect.status, 400);
  const error = (await connect.json()) as { code: string; message: string };
  assert.equal(error.code, 'invalid_argument');
  assert.match(error.message, /^parse binary: /);

  const web = await post('application/grpc-web+proto', ENVELOPED);
  const trailer = Buffer.from(await web.arrayBuffer());
  assert.equal(trailer.readUInt32BE(1), trailer.length - 5);
  assert.match(trailer.toString('latin1'), new RegExp(`grpc-status: +${INVALID_ARGUMENT}\\r\\n`));

  const session = connectHttp2(url);
  t.after(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc' });
  stream.end(ENVELOPED);
  const trailers = once(stream, 'trailers');
  stream.resume();
  const [{ 'grpc-status': status, 'grpc-message': message }] = await trailers;
  assert.equal(status, String(INVALID_ARGUMENT));
  assert.match(decodeURIComponent(message), /^parse binary: /);
  assert.deepEqual(logged, []);
});
