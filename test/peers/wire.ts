import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { RawClient } from '../support/raw-client.ts';
import { type Id, isRequest, type Message, notification, request } from '../support/rpc.ts';
import { readSse } from '../support/sse.ts';
import type { StdioCommand } from '../support/stdio-commands.ts';
import { SERVER_ENV } from './real-servers.ts';

/** Takes the text of each message that a server sends, whatever it is. */
type Receive = (text: string) => void;

/** One session with a server on some transport. Texts arrive as the server wrote them. */
export interface Wire {
  send(message: Message): Promise<void>;
  close(): Promise<void>;
}

/** Opens a wire and does the handshake; its answer is the first text that arrives. */
export type OpenWire = (initialize: Record<string, unknown>, receive: Receive) => Promise<Wire>;

export function stdioWire({ command, args }: StdioCommand): OpenWire {
  return async (initialize, receive) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'], env: SERVER_ENV });
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    const closed = once(child, 'close').finally(() => process.off('exit', kill));
    const lines = createInterface(child.stdout);
    const send = async (message: Message) => {
      child.stdin.write(`${JSON.stringify(message)}\n`);
    };
    await handshake(initialize, send, (take) => lines.on('line', take), receive);
    return {
      send,
      async close() {
        child.stdin.end();
        child.kill();
        await closed;
      },
    };
  };
}

/** The older transport: one stream for all that the server says, and an address to post to that its first event names. */
export function sseWire(url: string): OpenWire {
  return async (initialize, receive) => {
    const abort = new AbortController();
    const response = await fetch(url, { headers: { accept: 'text/event-stream' }, signal: abort.signal });
    if (response.body === null) throw new Error(`No stream from ${url}`);
    const events = readSse(response.body);
    const first = await events.next();
    const endpoint = new URL(first.value?.data ?? '', url);
    const send = async (message: Message) => {
      const answer = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(message),
      });
      await answer.text();
      if (!answer.ok) throw new Error(`${endpoint} answered ${answer.status}`);
    };
    const read = async (take: Receive) => {
      for await (const { event, data } of events) if (event === 'message') take(data);
    };
    // A stream that is cut, by the test or by its end, has no more to give.
    await handshake(initialize, send, (take) => read(take).catch(() => {}), receive);
    return { send, close: async () => abort.abort() };
  };
}

/** Streamable HTTP, with the session's GET stream open. */
export function httpWire(url: string): OpenWire {
  return async (initialize, receive) => {
    const client = new RawClient(url);
    const { text, message, status } = await client.initialize(initialize);
    if (message?.result === undefined) throw new Error(`initialize answered ${status}: ${text}`);
    receive(text);
    const stream = await client.stream();
    const read = async () => {
      for await (const { data } of stream) if (data !== '') receive(data);
    };
    read().catch(() => {});
    return {
      async send(sent) {
        const answer = await client.post(sent, { onMessage: (_message, text) => receive(text) });
        if (answer.status >= 300) throw new Error(`${url} answered ${answer.status}: ${answer.text}`);
        if (!isRequest(sent)) return;
        receive(answer.events.find((event) => event.message === answer.message)?.data ?? answer.text);
      },
      async close() {
        await client.delete();
        client.close();
      },
    };
  };
}

async function handshake(
  initialize: Record<string, unknown>,
  send: (message: Message) => Promise<void>,
  listen: (take: Receive) => void,
  receive: Receive,
): Promise<void> {
  const id: Id = 'initialize';
  const answered = new Promise<void>((resolve) => {
    listen((text) => {
      receive(text);
      if ((JSON.parse(text) as Message).id === id) resolve();
    });
  });
  await send(request(id, 'initialize', initialize));
  await answered;
  await send(notification('notifications/initialized'));
}
