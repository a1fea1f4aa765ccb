import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Gateway } from './gateway.ts';
import { processesWith } from './processes.ts';
import { RawClient, type RawClientOptions } from './raw-client.ts';
import { textOf } from './rpc.ts';
import { echoStdio, type StdioCommand } from './stdio-commands.ts';
import { until } from './wait.ts';

/** A server that is a process, with a mark in its environment by which all that it starts can be found. */
export interface MarkedServer {
  readonly id: string;
  readonly name: string;
  readonly processes: () => readonly number[];
}

/** Registers one with a gateway; an {@link echoStdio} unless told otherwise. */
export async function addMarked(
  gateway: Gateway,
  name: string,
  stdio: StdioCommand = echoStdio(name),
  env: Readonly<Record<string, string>> = {},
): Promise<MarkedServer> {
  const mark = randomUUID();
  const id = await gateway.addServer({ name, stdio: { ...stdio, env: { ...env, DRAGON_TEST_MARK: mark } } });
  return { id, name, processes: () => processesWith(mark) };
}

/** Waits until none is left. */
export async function untilGone(processes: () => readonly number[]): Promise<void> {
  await until(() => processes().length === 0, { what: 'the end of the processes', timeoutMs: 20_000 });
}

/** A client with a session, closed with the test. */
export async function connect(
  t: TestContext,
  gateway: Gateway,
  options?: RawClientOptions,
): Promise<RawClient> {
  const client = new RawClient(gateway.mcpUrl, options);
  t.after(() => client.close());
  assert.equal((await client.initialize()).status, 200);
  return client;
}

/** The text that a tool answers. */
export async function toolText(
  client: RawClient,
  tool: string,
  args: Record<string, unknown> = {},
): Promise<string> {
  return textOf((await client.callTool(tool, args)).message!);
}

/** The process that a server of {@link echoStdio} runs in. */
export async function pidOf(client: RawClient, server: string): Promise<number> {
  return Number(await toolText(client, `${server}__pid`));
}
