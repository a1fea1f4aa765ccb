import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  CreateMcpServerRequestSchema,
  ListMcpServersRequestSchema,
  UpdateMcpServerRequestSchema,
} from '../../src/gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { type Sample, sample } from './sample.ts';

const SERVICE = '/dragon.turnstile.api.v1.TurnstileService';
const NEW_SERVER = { name: 'fuzzed', url: 'http://127.0.0.1:9/mcp', headers: { authorization: 'x' } };

/** What callers of the management API ask over HTTP/1.1, in its three protocols. */
export function managementSamples(host: string): readonly Sample[] {
  const json = { host, 'content-type': 'application/json', 'connect-protocol-version': '1' };
  const connectJson = (method: string, body: object = {}) =>
    sample('POST', `${SERVICE}/${method}`, json, body);
  const binary = (method: string, type: string, body: Buffer) =>
    sample('POST', `${SERVICE}/${method}`, { host, 'content-type': type, 'x-grpc-web': '1' }, body);
  const create = messageOf(CreateMcpServerRequestSchema, NEW_SERVER);
  const list = messageOf(ListMcpServersRequestSchema, { pageSize: 10, pageToken: 'abc' });
  const update = messageOf(UpdateMcpServerRequestSchema, { updateMask: { paths: ['name', 'enabled'] } });
  return [
    connectJson('CreateMcpServer', NEW_SERVER),
    connectJson('GetMcpServer', { server: { name: 'one' } }),
    connectJson('ListMcpServers', { pageSize: 2, pageToken: 'eyJ4IjoxfQ' }),
    connectJson('UpdateMcpServer', {
      server: { id: 'x', name: 'fuzzed', enabled: true },
      updateMask: 'name,enabled',
    }),
    connectJson('DeleteMcpServer', { server: { name: 'fuzzed' } }),
    connectJson('ListTools', { server: { name: 'one' }, pageSize: 1 }),
    connectJson('ListResources', { server: { id: '0190163d-8694-739b-aea5-966c26f8ad91' } }),
    connectJson('CreateApiKey', { name: 'k', scopes: ['API_KEY_SCOPE_MCP'], lifetime: '3600s' }),
    connectJson('ListApiKeys', { pageSize: 1 }),
    connectJson('RevokeApiKey', { id: 'abc' }),
    connectJson('GetLoginStatusForMcpServer', { server: { name: 'one' } }),
    connectJson('LoginMcpServer', { server: { name: 'one' }, clientId: 'x' }),
    connectJson('GetEventLog', {
      filter: { type: 'TYPE_CALL', server: 'one' },
      pageSize: 2,
      pageToken: 'abc',
    }),
    sample('GET', `${SERVICE}/ListMcpServers?connect=v1&encoding=json&message=%7B%22pageSize%22%3A1%7D`, {
      host,
    }),
    sample('POST', '/grpc.health.v1.Health/Check', json, { service: '' }),
    binary('CreateMcpServer', 'application/proto', create),
    binary('UpdateMcpServer', 'application/proto', update),
    binary('ListMcpServers', 'application/grpc-web+proto', enveloped(list)),
    binary('CreateMcpServer', 'application/grpc-web+proto', enveloped(create)),
    binary('ListMcpServers', 'application/grpc-web-text', Buffer.from(enveloped(list).toString('base64'))),
    sample(
      'POST',
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      {
        host,
        'content-type': 'application/connect+json',
      },
      enveloped(Buffer.from('{"listServices":""}')),
    ),
  ];
}

/** The bytes of whole connections over HTTP/2, as a client of gRPC sends them. */
export async function recordedConnections(url: string): Promise<readonly Buffer[]> {
  return Promise.all([
    record(url, 'ListMcpServers', messageOf(ListMcpServersRequestSchema, { pageSize: 1 })),
    record(url, 'CreateMcpServer', messageOf(CreateMcpServerRequestSchema, NEW_SERVER)),
  ]);
}

async function record(url: string, method: string, message: Buffer): Promise<Buffer> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const sent: Buffer[] = [];
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => {
    sent.push(Buffer.from(chunk, encoding));
    write(chunk, encoding, done);
  };
  socket._writev = (chunks, done) => {
    for (const { chunk, encoding } of chunks) sent.push(Buffer.from(chunk, encoding));
    writev?.(chunks, done);
  };
  await once(socket, 'connect');
  const session = connectHttp2(url, { createConnection: () => socket });
  const stream = session.request({
    ':method': 'POST',
    ':path': `${SERVICE}/${method}`,
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  });
  stream.end(enveloped(message));
  stream.resume();
  await once(stream, 'close');
  session.close();
  await once(session, 'close');
  return Buffer.concat(sent);
}

function messageOf<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Buffer {
  return Buffer.from(toBinary(schema, create(schema, init)));
}

/** With the flag and the length that go before each message. */
function enveloped(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
