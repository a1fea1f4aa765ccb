import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connectEra, type EraClient } from '../eras/peers.ts';
import type { Era } from '../fixture/server.ts';
import { WATCHED } from '../fixture/stream-tools.ts';
import { Gateway } from '../support/gateway.ts';
import { addMarked, type MarkedServer } from '../support/marked-server.ts';
import { fixtureStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const WAIT = { timeoutMs: 30_000 };

describe('the official library as a process of the modern era', () => {
  let gateway: Gateway;
  let server: MarkedServer;

  before(async () => {
    gateway = await Gateway.start();
    server = await addMarked(gateway, 'f', fixtureStdio());
  });
  after(() => gateway?.stop());

  for (const era of ['legacy', 'modern'] satisfies Era[]) {
    describe(`at a ${era} client`, () => {
      let client: EraClient;

      before(async () => {
        client = await connectEra(era, gateway.mcpUrl);
      });
      after(() => client?.close());

      const heard = (method: string) =>
        until(() => client.heard.notifications.includes(method), { what: method, ...WAIT });

      it('answers', async () => {
        assert.ok((await client.tools()).includes('f__test_simple_text'));
        assert.match(await client.call('f__test_simple_text'), /simple text/);
        assert.match(JSON.stringify(await client.read('test://static-text')), /test:\/\/static-text/);
        await assert.rejects(client.read('test://no-such-thing'));
        const prompt = await client.prompt('f__test_prompt_with_arguments', { arg1: 'one', arg2: 'two' });
        assert.match(JSON.stringify(prompt), /one.*two/);
        assert.ok((await client.complete('f__test_prompt_with_arguments', 'arg1', 'p')).length > 0);
      });

      it('asks, once and round after round', async () => {
        const text = await client.call('f__test_elicitation', { message: 'Who are you?' });
        assert.match(text, /accept.*ada/);
        assert.match(await client.call('f__test_sampling', { prompt: 'Say it' }), /sampled/);
        assert.match(await client.call('f__test_input_required_result_list_roots'), /file:\/\/\/project/);
        assert.deepEqual(client.heard.asked, ['elicitation', 'sampling', 'roots']);
      });

      it('reports progress, and logs', async () => {
        const seen: number[] = [];
        const onProgress = (progress: number) => seen.push(progress);
        assert.equal(
          await client.call('f__test_tool_with_progress', {}, { onProgress }),
          'Progress is complete.',
        );
        assert.deepEqual(seen, [0, 50, 100]);
        await client.log('info');
        assert.equal(await client.call('f__test_logging_tool'), 'Logged once.');
        await heard('notifications/message');
      });

      it('is told of a cancellation', async () => {
        const cancelled = () =>
          gateway.logged('downstream stderr').filter(({ stderr }) => stderr === 'a call was cancelled')
            .length;
        const before = cancelled();
        const abort = new AbortController();
        const call = client.call('f__test_wait', {}, { signal: abort.signal });
        // Any later moment will do: a call that is cancelled before it is sent is none.
        await client.call('f__test_simple_text');
        abort.abort();
        await assert.rejects(call);
        await until(() => cancelled() === before + 1, { what: 'the cancellation', ...WAIT });
      });

      it('tells its news, also after it was started anew', async () => {
        await client.listen(WATCHED);
        const method = 'notifications/resources/updated';
        const news = () => {
          client.heard.notifications.length = 0;
          return until(
            async () => {
              // What is announced before the server is listened to is for nobody.
              await client.call('f__test_trigger_resource_update');
              return client.heard.notifications.includes(method);
            },
            { what: method, ...WAIT },
          );
        };
        await news();
        const before = server.processes();
        for (const pid of before) process.kill(pid, 'SIGKILL');
        await until(() => server.processes().some((pid) => !before.includes(pid)), {
          what: 'the next process',
          ...WAIT,
        });
        await news();
      });
    });
  }
});
