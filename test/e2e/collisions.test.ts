import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { LIST_METHODS, listNames } from '../support/lists.ts';
import { text } from '../support/peer-tools.ts';
import { RawClient } from '../support/raw-client.ts';
import { type Message, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const LEGAL = /^[A-Za-z0-9_-]{1,64}$/;
const TAIL = /_[0-9a-f]{8}$/;

describe('names and addresses that collide', () => {
  let gateway: Gateway;
  let client: RawClient;
  const started: CountingServer[] = [];

  before(async () => {
    gateway = await Gateway.start();
    client = new RawClient(gateway.mcpUrl);
    await client.initialize();
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await Promise.all(started.map((server) => server.close()));
  });

  /** A server whose tools answer its name and their own. */
  async function add(
    name: string,
    tools: readonly string[],
    options: { toolPrefix?: string; addresses?: boolean } = {},
  ) {
    const { toolPrefix, addresses } = options;
    const server = await CountingServer.start({
      name,
      tools: tools.map((tool) => ({ name: tool, run: ({ name: own }) => text(`${name}: ${own}`) })),
      prompts: tools.map((tool) => ({ name: tool })),
      ...(addresses && {
        resources: [
          { uri: 'shared://r', name: 'r' },
          { uri: `${name}://own`, name: 'own' },
        ],
        resourceTemplates: [{ uriTemplate: 'shared://t/{id}', name: 't' }],
      }),
    });
    started.push(server);
    const id = await gateway.addServer({
      name,
      url: server.url,
      ...(toolPrefix !== undefined && { toolPrefix }),
    });
    return { server, id, name };
  }

  const remove = (id: string) => gateway.manage('DeleteMcpServer', { server: { id } });

  /** The public names of a server's tools, by what they answer. */
  async function answers(names: readonly string[]): Promise<Map<string, string>> {
    const found = await Promise.all(
      names.map(async (name) => [textOf((await client.callTool(name)).message!), name] as const),
    );
    return new Map(found);
  }

  /** Waits for a list that has as many names with a beginning as there must be. */
  async function named(
    beginning: string,
    count: number,
    method: 'tools/list' | 'prompts/list' = 'tools/list',
  ) {
    return until(
      async () => {
        const names = (await listNames(client, method)).filter((name) => name.startsWith(beginning));
        return names.length === count && names;
      },
      { what: `${count} names with ${beginning}` },
    );
  }

  describe('of tools and prompts', () => {
    it('leave the plain name to the older server, and give the newer a tail', async () => {
      const first = await add('first', ['run', 'only_first'], { toolPrefix: 'same' });
      const alone = await named('same__', 2);
      const second = await add('second', ['run', 'only_second'], { toolPrefix: 'same' });
      const names = await named('same__', 4);
      assert.deepEqual(names.slice(0, 2), alone, 'nothing changes for the older');
      const byAnswer = await answers(names);
      assert.equal(byAnswer.get('first: run'), 'same__run');
      assert.match(byAnswer.get('second: run')!, TAIL);
      assert.equal(byAnswer.get('first: only_first'), 'same__only_first');
      assert.equal(byAnswer.get('second: only_second'), 'same__only_second');
      assert.equal(byAnswer.size, 4);

      const prompts = await named('same__', 4, 'prompts/list');
      const got = await Promise.all(
        prompts.map(
          async (name) =>
            (await client.request('prompts/get', { name })).message!.result.messages[0].content.text,
        ),
      );
      assert.deepEqual(got.toSorted(), [
        'first: only_first',
        'first: run',
        'second: only_second',
        'second: run',
      ]);

      const third = await add('third', ['run'], { toolPrefix: 'same' });
      assert.deepEqual(
        (await named('same__', 5)).slice(0, 4),
        names,
        'nor does anything change with one more',
      );

      const executed = await client.callTool('exec_tool', { server: 'second', tool: 'run' });
      assert.equal(textOf(executed.message!), 'second: run', 'by its own name, among its own tools');

      await remove(first.id);
      const left = await answers(await named('same__', 3));
      assert.equal(left.get('second: run'), 'same__run', 'the next oldest has it now');
      assert.match(left.get('third: run')!, TAIL);
      await remove(second.id);
      await remove(third.id);
      await named('same__', 0);
    });

    it('of servers without a prefix give way to the gateway’s own tools', async () => {
      const builtin = await listNames(client);
      const [one, two] = [
        await add('bare1', ['echo', 'bare_tool'], { toolPrefix: '' }),
        await add('bare2', ['echo', 'bare_tool'], { toolPrefix: '' }),
      ];
      const echoes = await named('echo', 3);
      assert.equal(echoes[0], 'echo');
      assert.equal(textOf((await client.callTool('echo', { message: 'mine' })).message!), 'mine');
      assert.deepEqual([...(await answers(echoes.slice(1))).keys()].toSorted(), [
        'bare1: echo',
        'bare2: echo',
      ]);
      const tools = await answers(await named('bare_tool', 2));
      assert.equal(tools.get('bare1: bare_tool'), 'bare_tool');
      assert.match(tools.get('bare2: bare_tool')!, TAIL);
      for (const { id } of [one, two]) await remove(id);
      await named('bare_tool', 0);
      assert.deepEqual(await listNames(client), builtin);
    });

    it('may come of different prefixes', async () => {
      const [one, two] = [await add('a', ['b__c']), await add('a__b', ['c'])];
      const byAnswer = await answers(await named('a__b__c', 2));
      assert.equal(byAnswer.get('a: b__c'), 'a__b__c');
      assert.match(byAnswer.get('a__b: c')!, TAIL);
      for (const { id } of [one, two]) await remove(id);
      await named('a__b__c', 0);
    });

    it('are told apart though they are cut or altered', async () => {
      const name = 'long-'.padEnd(60, 'x');
      const tools = [
        'with space',
        'with_space',
        'with.space',
        'y'.repeat(500),
        `${'y'.repeat(499)}z`,
        'näme',
        'name',
        '名前',
        '😀',
        '__proto__',
        'constructor',
        'line\nbreak',
        'a/b',
        'a\\b',
        '"quoted"',
        ' ',
        '.',
        'x'.repeat(64),
      ];
      const short = await add('short', tools);
      const long = await add(name, tools);
      const names = [...(await named('short__', tools.length)), ...(await named('long-', tools.length))];
      assert.equal(new Set(names).size, names.length);
      for (const each of names) assert.match(each, LEGAL);
      const byAnswer = await answers(names);
      for (const server of ['short', name]) {
        for (const tool of tools)
          assert.ok(byAnswer.has(`${server}: ${tool}`), `${server.slice(0, 8)}: ${tool.slice(0, 20)}`);
      }
      assert.equal(byAnswer.get('short: with_space'), 'short__with_space');
      assert.equal(byAnswer.get('short: __proto__'), 'short____proto__');
      assert.match(byAnswer.get('short: with space')!, /^short__with_space_[0-9a-f]{8}$/);
      for (const { id } of [short, long]) await remove(id);
      await named('short__', 0);
    });

    it('of any kind at all are legal, apart, stable and callable', async () => {
      const { server, id } = await add('any', []);
      const tool = fc.oneof(
        fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }),
        fc.stringMatching(/^[a-z_. ]{1,4}$/),
      );
      let version = 0;
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(tool, { minLength: 1, maxLength: 15 }), async (generated) => {
          const marker = `marker_${++version}`;
          const tools = [...generated.filter((name) => !name.startsWith('marker_')), marker];
          server.setTools(tools.map((name) => ({ name, run: ({ name: own }) => text(own) })));
          const names = await until(
            async () => {
              const listed = await listNames(client);
              return listed.includes(`any__${marker}`) && listed.filter((name) => name.startsWith('any__'));
            },
            { what: 'the new tools' },
          );
          assert.equal(new Set(names).size, tools.length);
          for (const name of names) assert.match(name, LEGAL);
          assert.deepEqual(new Set((await answers(names)).keys()), new Set(tools));
        }),
        { numRuns: 8 },
      );
      await remove(id);
      await named('any__', 0);
    });
  });

  describe('of resources', () => {
    let older: Awaited<ReturnType<typeof add>>;
    let newer: Awaited<ReturnType<typeof add>>;
    const alias = (uri: string) => `dragon://${newer.id}/${uri}`;
    const read = async (uri: string) => (await client.request('resources/read', { uri })).message!;

    before(async () => {
      older = await add('older', [], { addresses: true });
      newer = await add('newer', [], { addresses: true });
      await until(async () => (await listNames(client, 'resources/list')).includes('newer://own'), {
        what: 'both servers',
      });
    });

    it('leave the plain address to the older server, and list the newer under an alias', async () => {
      assert.deepEqual(await listNames(client, 'resources/list'), [
        'shared://r',
        'older://own',
        alias('shared://r'),
        'newer://own',
      ]);
      assert.deepEqual(await listNames(client, 'resources/templates/list'), [
        'shared://t/{id}',
        alias('shared://t/{id}'),
      ]);
    });

    for (const form of ['json', 'sse'] as const) {
      it(`are read by plain address and by alias: ${form}`, async () => {
        newer.server.answers = form;
        const contents: [string, string, string][] = [
          ['shared://r', 'older', 'shared://r'],
          [alias('shared://r'), 'newer', 'shared://r'],
          ['shared://t/5', 'older', 'shared://t/5'],
          [alias('shared://t/5'), 'newer', 'shared://t/5'],
          ['newer://own', 'newer', 'newer://own'],
          [alias('newer://own'), 'newer', 'newer://own'],
        ];
        for (const [uri, server, own] of contents) {
          assert.deepEqual((await read(uri)).result, { contents: [{ uri, text: `${server} has ${own}` }] });
        }
      });
    }

    it('are not reached by the alias of a server that there is not', async () => {
      for (const uri of ['older://own', 'newer://own', 'dragon://nobody/shared://r']) await read(uri);
      for (const { server } of [older, newer]) {
        const asked = server.last('resources/read')?.message?.params?.['uri'];
        assert.notEqual(asked, 'shared://r', 'whoever is asked is asked for what the client named');
      }
    });

    it('complete by the alias of their template', async () => {
      const argument = { name: 'id', value: '' };
      const complete = async (uri: string) => {
        const { message } = await client.request('completion/complete', {
          ref: { type: 'ref/resource', uri },
          argument,
        });
        return message!.result.completion.values;
      };
      assert.deepEqual(await complete('shared://t/{id}'), ['older-1', 'older-2']);
      assert.deepEqual(await complete(alias('shared://t/{id}')), ['newer-1', 'newer-2']);
      assert.deepEqual(newer.server.last('completion/complete')!.message!.params!['ref'], {
        type: 'ref/resource',
        uri: 'shared://t/{id}',
      });
    });

    it('are subscribed to by alias, and their news comes under it', async () => {
      const stream = await client.stream();
      const messages = inbox(stream);
      const updates = () =>
        messages
          .filter(({ method }: Message) => method === 'notifications/resources/updated')
          .map(({ params }) => params!['uri']);
      for (const uri of ['shared://r', alias('shared://r')]) {
        assert.deepEqual((await client.request('resources/subscribe', { uri })).message!.result, {});
      }
      for (const { server } of [older, newer]) {
        assert.deepEqual([...server.peer.subscriptions], ['shared://r']);
        await until(() => server.openStreams >= 2, { what: 'the client’s session to listen' });
      }
      newer.server.notify('notifications/resources/updated', { uri: 'shared://r' });
      await until(() => updates().length === 1, { what: 'news of the newer' });
      older.server.notify('notifications/resources/updated', { uri: 'shared://r' });
      await until(() => updates().length === 2, { what: 'news of the older' });
      assert.deepEqual(updates(), [alias('shared://r'), 'shared://r']);

      await client.request('resources/unsubscribe', { uri: alias('shared://r') });
      assert.equal(newer.server.peer.subscriptions.size, 0);
      assert.equal(older.server.peer.subscriptions.size, 1);
      assert.equal(countOf(messages, 'notifications/resources/updated'), 2);
      stream.close();
    });

    it('are the newer’s own when the older has gone, by the alias as well', async () => {
      await remove(older.id);
      await until(
        async () =>
          (await listNames(client, 'resources/list'))[0] === 'shared://r' &&
          (await read('shared://r')).result.contents[0].text === 'newer has shared://r',
        { what: 'the newer under the plain address' },
      );
      assert.deepEqual((await read(alias('shared://r'))).result.contents, [
        { uri: alias('shared://r'), text: 'newer has shared://r' },
      ]);
      await remove(newer.id);
      for (const method of LIST_METHODS.slice(2))
        await until(async () => (await listNames(client, method)).length === 0, {
          what: `an empty ${method}`,
        });
      assert.equal((await read('shared://r')).error!.code, -32002);
    });
  });
});
