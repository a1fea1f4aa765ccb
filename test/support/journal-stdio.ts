/**
 * An MCP server on stdin and stdout that writes down, in the file that its first argument names, when it starts, how many
 * of its like run then, and which calls it runs: whatever happens to gateways, the file tells how often anything was
 * done, and where.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Peer } from './peer.ts';
import { PeerConnection } from './peer-connection.ts';
import { text } from './peer-tools.ts';
import { isRunning } from './processes.ts';
import { type Message, notification } from './rpc.ts';

const [, , file = '/dev/null'] = process.argv;
const write = (what: string, key = '') => appendFileSync(file, `${what} ${process.pid} ${key}\n`);
const send = (message: Message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const peer = new Peer({ name: 'journal', resources: [{ uri: 'journal://page', name: 'page' }] });
const connection = new PeerConnection(peer);
peer.tools = [
  ...peer.tools,
  {
    name: 'work',
    description: 'Writes its key down, and answers it',
    run: ({ args }) => {
      write('run', String(args['key']));
      return text(String(args['key']));
    },
  },
  {
    name: 'wait',
    description: 'Writes its key down, and answers when `release` is called',
    run: (call) => {
      write('run', String(call.args['key']));
      return peer.tools.find(({ name }) => name === 'hold')?.run?.(call);
    },
  },
  {
    name: 'release',
    run: () => {
      peer.release();
      return text('');
    },
  },
  { name: 'pid', run: () => text(String(process.pid)) },
  {
    name: 'state',
    run: () => {
      const { held, cancelled, subscriptions } = peer;
      return { ...text(''), structuredContent: { held, cancelled, subscriptions: [...subscriptions] } };
    },
  },
  {
    name: 'say',
    description: 'Says something outside any request, and that its page has changed',
    run: ({ args }) => {
      send(notification('notifications/message', { level: 'error', data: args['data'] }));
      send(notification('notifications/resources/updated', { uri: 'journal://page' }));
      return text('said');
    },
  },
];

// For a test that must not call anything.
process.on('SIGUSR2', () => peer.release());
const before = existsSync(file) ? readFileSync(file, 'utf8').matchAll(/^start (\d+)/gm) : [];
write('start', String([...before].filter(([, pid]) => isRunning(Number(pid))).length));
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') void connection.handle(JSON.parse(line), send);
}
connection.close();
