import type { Era, Fixture } from '../fixture/server.ts';
import { startFixture } from '../fixture/server.ts';
import type { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { until } from '../support/wait.ts';
import type { Expected } from './expected.ts';
import { all, forced, required, runSuite, type SuiteResults, single } from './suite.ts';

/** Settings of gateways that the suite is run against: it looks for the fixture's tools and no others. */
export const SUBJECT_ENV = { DRAGON_BUILTIN_TOOLS: 'off' };

const HAVE_REQUIREMENTS: ReadonlySet<string> = new Set(['2026-07-28', '2025-11-25']);

/** Gateways that serve one fixture at a time, under the plain names that the suite looks for. */
export class Subject {
  readonly #nodes: readonly Gateway[];
  readonly #fixtures = new Map<Era | 'both', Fixture>();
  #serverId: string | undefined;

  constructor(nodes: readonly Gateway[]) {
    this.#nodes = nodes;
  }

  /** Starts a fixture that speaks one era, or both, where there is none. Returns its URL. */
  async fixture(era: Era | undefined): Promise<string> {
    const key = era ?? 'both';
    const fixture = this.#fixtures.get(key) ?? (await startFixture(0, era));
    this.#fixtures.set(key, fixture);
    return fixture.url;
  }

  /** Has every node serve this fixture, and no longer the one before. */
  async serve(era: Era | undefined): Promise<void> {
    const [first] = this.#nodes as [Gateway];
    if (this.#serverId !== undefined) {
      await first.manage('DeleteMcpServer', { server: { id: this.#serverId } });
      await this.#everywhere(false);
    }
    const url = await this.fixture(era);
    this.#serverId = await first.addServer({ name: `fixture-${era ?? 'both'}`, url, toolPrefix: '' });
    await this.#everywhere(true);
  }

  async close(): Promise<void> {
    for (const fixture of this.#fixtures.values()) await fixture.close();
  }

  async #everywhere(isServed: boolean): Promise<void> {
    for (const { mcpUrl } of this.#nodes) {
      const client = new ModernClient(mcpUrl);
      const isCallable = async () =>
        (await client.callTool('test_simple_text')).message?.result !== undefined;
      await until(async () => (await isCallable()) === isServed, { what: 'the fixture', timeoutMs: 30_000 });
      client.close();
    }
  }
}

/** Runs what is expected at `url`; `only`: one scenario of it. */
export async function runExpected(
  url: string,
  expected: Expected,
  only: string | undefined,
): Promise<SuiteResults> {
  const { suite, revision } = expected;
  const isForced = (name: string) => expected.forced?.includes(name) === true;
  if (only !== undefined) {
    return runSuite(suite, url, isForced(only) ? forced(only, revision) : single(only, revision));
  }
  // Only the newer suite knows requirements, and only those of the latest revision of each era.
  const own = suite === '0.2' && HAVE_REQUIREMENTS.has(revision) ? required(revision) : all(revision);
  const results = new Map(await runSuite(suite, url, own));
  for (const name of expected.forced ?? []) {
    for (const [scenario, result] of await runSuite(suite, url, forced(name, revision))) {
      results.set(scenario, result);
    }
  }
  return results;
}
