import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Era, type Fixture, startFixture } from '../fixture/server.ts';
import { WATCHED } from '../fixture/stream-tools.ts';
import { Gateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { FEATURES, type Feature, PAIRS } from './cells.ts';
import { connectEra, type EraClient } from './peers.ts';

const ERAS: readonly Era[] = ['legacy', 'modern'];

describe('a client of either era at a server of either era', () => {
  let gateway: Gateway;
  const fixtures = new Map<Era, Fixture>();

  before(async () => {
    gateway = await Gateway.start();
    for (const era of ERAS) {
      const fixture = await startFixture(0, era);
      fixtures.set(era, fixture);
      await gateway.addServer({ name: era, url: fixture.url });
    }
  });

  after(async () => {
    await gateway?.stop();
    for (const fixture of fixtures.values()) await fixture.close();
  });

  for (const [clientEra, serverEra] of PAIRS) pair(clientEra, serverEra);

  function pair(clientEra: Era, serverEra: Era): void {
    const of = (name: string) => `${serverEra}__${name}`;

    describe(`${clientEra} client, ${serverEra} server`, () => {
      let client: EraClient;

      before(async () => {
        client = await connectEra(clientEra, gateway.mcpUrl);
      });

      after(() => client?.close());

      const heard = (method: string) =>
        until(() => client.heard.notifications.includes(method), { what: method, timeoutMs: 30_000 });

      /** Both servers have the same resources; those of the later one are listed under other URIs. */
      const uriOf = async (uri: string): Promise<string> => {
        const isAlias = serverEra === 'modern';
        const found = (await client.resources()).find(
          (each) => each.endsWith(uri) && each.startsWith('dragon://') === isAlias,
        );
        assert.ok(found, uri);
        return found;
      };

      const proofs: Readonly<Record<Feature, () => Promise<void>>> = {
        tools: async () => {
          assert.ok((await client.tools()).includes(of('test_simple_text')));
          assert.match(await client.call(of('test_simple_text')), /simple text/);
          assert.match(await client.call(of('test_error_handling')), /error/);
        },

        resources: async () => {
          const result = await client.read(await uriOf('test://static-text'));
          assert.match(JSON.stringify(result), /test:\/\/static-text/);
          await assert.rejects(client.read('test://no-such-thing'));
        },

        prompts: async () => {
          assert.ok((await client.prompts()).includes(of('test_simple_prompt')));
          const result = await client.prompt(of('test_prompt_with_arguments'), { arg1: 'one', arg2: 'two' });
          assert.match(JSON.stringify(result), /one.*two/);
        },

        completion: async () => {
          const values = await client.complete(of('test_prompt_with_arguments'), 'arg1', 'p');
          assert.ok(values.length > 0);
        },

        elicitation: async () => {
          const text = await client.call(of('test_elicitation'), { message: 'Who are you?' });
          assert.match(text, /accept.*ada/);
          assert.ok(client.heard.asked.includes('elicitation'));
        },

        sampling: async () => {
          assert.match(await client.call(of('test_sampling'), { prompt: 'Say it' }), /sampled/);
          assert.ok(client.heard.asked.includes('sampling'));
        },

        roots: async () => {
          assert.match(await client.call(of('test_input_required_result_list_roots')), /file:\/\/\/project/);
          assert.ok(client.heard.asked.includes('roots'));
        },

        progress: async () => {
          const seen: number[] = [];
          const text = await client.call(
            of('test_tool_with_progress'),
            {},
            { onProgress: (progress) => seen.push(progress) },
          );
          assert.equal(text, 'Progress is complete.');
          assert.deepEqual(seen, [0, 50, 100]);
        },

        cancellation: async () => {
          const fixture = fixtures.get(serverEra)!;
          const before = fixture.cancelled;
          const abort = new AbortController();
          const call = client.call(of('test_wait'), {}, { signal: abort.signal });
          // Any later moment will do: a call that is cancelled before it is sent is none.
          await client.call(of('test_simple_text'));
          abort.abort();
          await assert.rejects(call);
          await until(() => fixture.cancelled === before + 1, {
            what: 'the cancellation',
            timeoutMs: 30_000,
          });
        },

        log: async () => {
          await client.log('info');
          assert.equal(await client.call(of('test_logging_tool')), 'Logged once.');
          await heard('notifications/message');
        },

        subscription: async () => {
          await client.listen(await uriOf(WATCHED));
          // What is announced before the server is listened to is for nobody.
          await until(
            async () => {
              await client.call(of('test_trigger_resource_update'));
              return client.heard.notifications.includes('notifications/resources/updated');
            },
            { what: 'news of the resource', timeoutMs: 30_000 },
          );
        },

        'list change': async () => {
          const name = `late-${clientEra}-${serverEra}`;
          await gateway.addServer({ name, url: fixtures.get(serverEra)!.url });
          await heard('notifications/tools/list_changed');
          assert.ok((await client.tools()).includes(`${name}__test_simple_text`));
        },
      };

      for (const feature of FEATURES) it(feature, proofs[feature]);
    });
  }
});
