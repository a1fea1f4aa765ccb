/**
 * A well-behaved MCP server on stdin and stdout: one JSON-RPC message a line. Its name is the first argument.
 * It ends when stdin does.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Peer } from './peer.ts';
import { PeerConnection } from './peer-connection.ts';
import type { PeerTool } from './peer-tools.ts';
import { text } from './peer-tools.ts';
import type { Message } from './rpc.ts';
import { notification } from './rpc.ts';

const peer = new Peer({
  name: process.argv[2] ?? 'echo-stdio',
  resources: [{ uri: 'stdio://greeting', name: 'greeting' }],
  prompts: [{ name: 'greet' }],
});
const connection = new PeerConnection(peer);
const send = (message: Message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** What a test can see of the process from the outside, and make it do. */
const processTools: readonly PeerTool[] = [
  { name: 'pid', run: () => text(String(process.pid)) },
  { name: 'meta', run: ({ meta }) => text(JSON.stringify(meta)) },
  { name: 'env', run: ({ args }) => text(process.env[String(args['name'])] ?? '') },
  {
    name: 'calls',
    run: () => {
      const { held, cancelled } = peer;
      return { ...text(''), structuredContent: { held, cancelled } };
    },
  },
  { name: 'cwd', run: () => text(process.cwd()) },
  {
    name: 'touch',
    run: ({ args }) => {
      const uri = String(args['uri']);
      if (peer.subscriptions.has(uri)) send(notification('notifications/resources/updated', { uri }));
      return text(peer.subscriptions.has(uri) ? 'somebody listens' : 'nobody listens');
    },
  },
  {
    name: 'print',
    run: ({ args }) => {
      process.stderr.write(`${String(args['text'])}\n`);
      return text('printed');
    },
  },
  {
    name: 'exit_once',
    description: 'Ends the process unless the file is there, which it makes',
    annotations: { readOnlyHint: true },
    run: ({ args }) => {
      const file = String(args['file']);
      if (existsSync(file)) return text(String(process.pid));
      writeFileSync(file, '');
      process.exit(1);
    },
  },
  { name: 'exit', run: ({ args }) => process.exit(Number(args['code'] ?? 1)) },
  {
    name: 'add_tool',
    run: ({ args }) => {
      peer.tools = [...peer.tools, { name: String(args['name']) }];
      send(notification('notifications/tools/list_changed'));
      return text('added');
    },
  },
];
peer.tools = [...peer.tools, ...processTools];

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') void connection.handle(JSON.parse(line), send);
}
connection.close();
