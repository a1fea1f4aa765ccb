import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { addMarked, connect, pidOf, toolText, untilGone } from '../support/marked-server.ts';
import { until } from '../support/wait.ts';

const GREETING = 'stdio://greeting';

describe('servers that are processes, when idle', () => {
  let gateway: Gateway;

  before(async () => {
    gateway = await Gateway.start({ env: { DRAGON_STDIO_IDLE_MS: '300' } });
  });
  after(() => gateway?.stop());

  it('stay while somebody is subscribed, or waits for an answer', async (t) => {
    const news = await addMarked(gateway, 'news');
    const busy = await addMarked(gateway, 'busy');
    const idle = await addMarked(gateway, 'idle');
    const client = await connect(t, gateway);
    const messages = inbox(await client.stream());
    await client.request('resources/subscribe', { uri: GREETING });
    const held = client.callTool('busy__hold', {}, { id: 'held' });
    await until(() => busy.processes().length === 1, { what: 'the call to be under way' });
    for (let time = 0; time < 2; time++) {
      await pidOf(client, 'idle');
      await untilGone(idle.processes);
    }
    assert.equal(news.processes().length, 1);
    assert.equal(busy.processes().length, 1);
    await toolText(client, 'news__touch', { uri: GREETING });
    await until(() => countOf(messages, 'notifications/resources/updated') === 1, { what: 'the update' });

    await client.notify('notifications/cancelled', { requestId: 'held' });
    await held;
    await client.request('resources/unsubscribe', { uri: GREETING });
    await untilGone(busy.processes);
    await untilGone(news.processes);
  });

  it('stop, and start again for the next call', async (t) => {
    const sleepy = await addMarked(gateway, 'sleepy');
    const client = await connect(t, gateway);
    const first = await pidOf(client, 'sleepy');
    await untilGone(sleepy.processes);
    assert.ok((await listNames(client)).includes('sleepy__pid'), 'its tools are still listed');
    assert.notEqual(await pidOf(client, 'sleepy'), first);
    await untilGone(sleepy.processes);
    assert.deepEqual(gateway.logged('downstream process ended'), [], 'rest is no failure');
  });
});
