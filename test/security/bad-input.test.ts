import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { type Id, request, textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const MAX_BODY = 256 * 1024;
const MAX_DEPTH = 128;

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const INTERNAL = -32603;

const nested = (depth: number, inner = '1') => '['.repeat(depth) + inner + ']'.repeat(depth);

describe('bad input to the MCP endpoint', () => {
  let gateway: Gateway;
  let server: CountingServer;
  let client: RawClient;
  let port: string;

  before(async () => {
    server = await CountingServer.start({
      resources: [{ uri: 'one://r', name: 'r' }],
      prompts: [{ name: 'p' }],
    });
    gateway = await Gateway.start({
      env: { DRAGON_MAX_BODY_BYTES: String(MAX_BODY), DRAGON_MAX_JSON_DEPTH: String(MAX_DEPTH) },
    });
    await gateway.addServer({ name: 'one', url: server.url });
    await gateway.addServer({ name: 'proc', stdio: echoStdio() });
    client = new RawClient(gateway.mcpUrl);
    await client.initialize();
    port = new URL(gateway.mcpUrl).port;
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await server?.close();
  });

  /** The session that was given bad input goes on as if nothing had been. */
  async function stillGood(): Promise<void> {
    const { message } = await client.callTool('one__echo', { text: 'good' });
    assert.equal(textOf(message!), 'good');
  }

  /** One error in the protocol's form, about the HTTP request as a whole. */
  function refused(answer: RawAnswer, status: number, code: number, id: Id | null = null): string {
    assert.equal(answer.status, status, answer.text.slice(0, 300));
    assert.match(String(answer.headers['content-type']), /^application\/json/);
    assert.equal(answer.messages.length, 1);
    const [message] = answer.messages;
    const { message: text } = message!.error!;
    assert.deepEqual(message, { jsonrpc: '2.0', id, error: { code, message: text } });
    return text;
  }

  describe('bodies', () => {
    it('that are not JSON are parse errors', async () => {
      for (const body of [
        '',
        ' \n',
        '{',
        'hello',
        '{"jsonrpc":"2.0",}',
        "{'jsonrpc':'2.0'}",
        'undefined',
        'NaN',
        '\0',
        '\ufeff{"jsonrpc":"2.0","id":1,"method":"ping"}',
        '{"jsonrpc":"2.0","id":1,"method":"ping"}{"jsonrpc":"2.0","id":2,"method":"ping"}',
        '{"jsonrpc":"2.0","id":1,"method":"ping"}\n{"jsonrpc":"2.0","id":2,"method":"ping"}',
        '[{"jsonrpc":"2.0"',
        '{"jsonrpc":"2.0","id":01,"method":"ping"}',
        '{"jsonrpc":"2.0","id":1,"method":"pi\nng"}',
        '<?xml version="1.0"?><methodCall/>',
      ]) {
        assert.match(refused(await client.post(body), 400, PARSE_ERROR), /^Parse error: /, body);
      }
      await stillGood();
    });

    it('that are not UTF-8 are parse errors, not guesses', async () => {
      for (const bytes of [
        [0xc3, 0x28],
        [0xff],
        [0xc0, 0xaf],
        [0xed, 0xa0, 0x80],
        [0xf5, 0x80, 0x80, 0x80],
        [0xe2, 0x82],
      ]) {
        const call = JSON.stringify(
          request(1, 'tools/call', { name: 'one__echo', arguments: { text: '@' } }),
        );
        const [head, tail] = call.split('@') as [string, string];
        const body = Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)]);
        const calls = server.count('tools/call');
        const response = await fetch(gateway.mcpUrl, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, text/event-stream',
            'mcp-session-id': client.sessionId!,
          },
          body,
        });
        assert.equal(response.status, 400);
        const { error, id } = (await response.json()) as {
          id: null;
          error: { code: number; message: string };
        };
        assert.equal(id, null);
        assert.equal(error.code, PARSE_ERROR);
        assert.match(error.message, /UTF-8/);
        assert.equal(server.count('tools/call'), calls);
      }
      await stillGood();
    });

    it('in UTF-8 arrive as they were sent', async () => {
      for (const text of ['\u0000', '\ud800', '😀', '\u2028', '  ', '"\\/\b']) {
        const { message } = await client.callTool('one__echo', { text });
        assert.equal(textOf(message!), text);
      }
    });

    it('over the limit are refused, whether they say their length or not', async () => {
      const big = JSON.stringify(
        request(1, 'tools/call', { name: 'one__echo', arguments: { text: 'x'.repeat(MAX_BODY) } }),
      );
      assert.match(refused(await client.post(big), 413, -32000), new RegExp(String(MAX_BODY)));
      await stillGood();

      const head = `POST /mcp HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\nAccept: */*\r\n`;
      const declared = await RawSocket.open(gateway.mcpUrl);
      await declared.write(`${head}Content-Length: 99999999999\r\n\r\n{`);
      assert.match(await declared.end(), /^HTTP\/1\.1 413 [\s\S]*"code":-32000/, 'before the body is sent');

      const chunked = await RawSocket.open(gateway.mcpUrl);
      await chunked.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
      const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`;
      for (let sent = 0; sent <= MAX_BODY / 0x4000 && !chunked.isOver; sent++) await chunked.write(chunk);
      assert.match(await chunked.expect(/\}\s*$/), /^HTTP\/1\.1 413 [\s\S]*"code":-32000/);
      await chunked.end();
      await stillGood();
    });

    it('far over the limit get their answer, though they are still being sent', async () => {
      for (let time = 0; time < 10; time++) {
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(gateway.mcpUrl, {
          method: 'POST',
          headers,
          body: 'x'.repeat(32 * MAX_BODY),
        });
        assert.equal(response.status, 413);
        assert.match(await response.text(), /"code":-32000/);
      }
      await stillGood();
    });

    it('up to the limit are taken', async () => {
      const empty = JSON.stringify(request(1, 'tools/call', { name: 'one__echo', arguments: { text: '' } }));
      const text = 'x'.repeat(MAX_BODY - Buffer.byteLength(empty));
      const { message } = await client.callTool('one__echo', { text }, { id: 1 });
      assert.equal(textOf(message!), text);
      const over = await client.callTool('one__echo', { text: `${text}x` }, { id: 1 });
      assert.equal(over.status, 413);
    });

    it('that nest too deep are refused, and those just below are not', async () => {
      const call = (args: string) =>
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one__echo","arguments":{"text":"t","x":${args}}}}`;
      for (const body of [
        nested(100_000),
        '['.repeat(100_000),
        call(nested(100_000)),
        call(nested(MAX_DEPTH)),
        `${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}`,
      ]) {
        assert.match(refused(await client.post(body), 400, INVALID_REQUEST), /nested deeper than 128 levels/);
      }
      const deepest = call(nested(MAX_DEPTH - 3));
      assert.equal(textOf((await client.post(deepest)).messages[0]!), 't');
      assert.ok(server.last('tools/call')!.body.includes(nested(MAX_DEPTH - 3)));
      // Brackets in a text are no nesting.
      assert.equal(
        textOf((await client.callTool('one__echo', { text: '['.repeat(1000) })).message!).length,
        1000,
      );
    });
  });

  describe('messages', () => {
    it('that are none are invalid requests', async () => {
      const bodies: [string, Id | null][] = [
        ['null', null],
        ['true', null],
        ['1', null],
        ['"ping"', null],
        ['{}', null],
        ['{"id":7}', 7],
        ['{"jsonrpc":"2.0","id":7}', 7],
        ['{"id":7,"method":"ping"}', 7],
        ['{"jsonrpc":"1.0","id":7,"method":"ping"}', 7],
        ['{"jsonrpc":2.0,"id":"x","method":"ping"}', 'x'],
        ['{"jsonrpc":["2.0"],"id":7,"method":"ping"}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":null}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":7}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":["ping"]}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":"ping","params":"x"}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":"ping","params":null}', 7],
        ['{"jsonrpc":"2.0","id":null,"method":"ping"}', null],
        ['{"jsonrpc":"2.0","id":{},"method":"ping"}', null],
        ['{"jsonrpc":"2.0","id":[1],"method":"ping"}', null],
        ['{"jsonrpc":"2.0","id":true,"method":"ping"}', null],
        ['{"jsonrpc":"2.0","id":1e400,"method":"ping"}', null],
        ['{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', null],
        ['{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1,"message":"m"}}', 7],
        ['{"jsonrpc":"2.0","result":{}}', null],
        ['{"__proto__":{"jsonrpc":"2.0","id":7,"method":"ping"}}', null],
        ['{"jsonrpc":"2.0","id":7,"__proto__":{"method":"ping"}}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":"ping","id":8}', 8],
        ['{"jsonrpc":"2.0","id":7,"method":"tools/list","method":"ping"}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":"ping","\\u006dethod":"tools/list"}', 7],
        ['{"jsonrpc":"2.0","id":7,"method":"ping","params":{},"params":{}}', 7],
      ];
      for (const [body, id] of bodies) {
        assert.match(refused(await client.post(body), 400, INVALID_REQUEST, id), /^Invalid Request: /, body);
      }
      await stillGood();
    });

    it('for what there is not say so', async () => {
      const unknown: [string, Record<string, unknown>, number, RegExp][] = [
        ['no/such', {}, -32601, /Method not found: no\/such/],
        ['toString', {}, -32601, /Method not found/],
        ['x'.repeat(100_000), {}, -32601, /^.{1,200}$/],
      ];
      for (const name of [
        'no_such',
        '__proto__',
        'constructor',
        'toString',
        '',
        'one__',
        '__',
        'one__echo ',
        'ONE__ECHO',
        'x'.repeat(100_000),
      ]) {
        unknown.push(['tools/call', { name }, INVALID_PARAMS, /^Unknown tool: .{0,128}$/]);
        unknown.push(['prompts/get', { name }, INVALID_PARAMS, /^Unknown prompt: .{0,128}$/]);
        unknown.push(['resources/read', { uri: name }, -32002, /Resource not found/]);
        unknown.push(['resources/unsubscribe', { uri: '' }, -32002, /./]);
        unknown.push(['logging/setLevel', { level: name }, INVALID_PARAMS, /"level"/]);
        const ref = { type: 'ref/prompt', name };
        unknown.push(['completion/complete', { ref, argument: {} }, INVALID_PARAMS, /^Unknown prompt: /]);
        unknown.push(['completion/complete', { ref: { type: name } }, INVALID_PARAMS, /"ref.type"/]);
      }
      for (const [method, params, code, reason] of unknown) {
        const { status, message } = await client.request(method, params, { id: 'u' });
        const at = `${method.slice(0, 30)} ${JSON.stringify(params).slice(0, 80)}: ${JSON.stringify(message).slice(0, 300)}`;
        assert.equal(status, 200, at);
        assert.equal(message!.id, 'u');
        if (method === 'resources/unsubscribe') continue;
        assert.equal(message!.error?.code, code, at);
        assert.match(message!.error!.message, reason, at);
      }
      await stillGood();
    });

    it('with any params at all get one answer, and never an internal error', async () => {
      const methods = [
        'initialize',
        'ping',
        'tools/list',
        'tools/call',
        'prompts/get',
        'resources/read',
        'resources/subscribe',
        'completion/complete',
        'logging/setLevel',
        'tasks/get',
      ];
      const known = fc.constantFrom(
        'one__echo',
        'echo',
        'exec_tool',
        'list_tools_for_mcp_server',
        'one__p',
        'one://r',
        'one',
      );
      const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), known);
      const key = fc.constantFrom(
        'name',
        'uri',
        'cursor',
        'level',
        'ref',
        'arguments',
        '_meta',
        'task',
        'server',
        'tool',
        'capabilities',
        '__proto__',
        'constructor',
        'protocolVersion',
        'taskId',
      );
      const object = fc.dictionary(key, fc.oneof(value, fc.dictionary(key, value)));
      let id = 0;
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...methods), object, async (method, params) => {
          const { messages } = await client.post(request(`f${++id}`, method, params));
          const answers = messages.filter((message) => message.method === undefined);
          assert.equal(answers.length, 1);
          assert.equal(answers[0]!.id, `f${id}`);
          assert.notEqual(answers[0]!.error?.code, INTERNAL, JSON.stringify(answers[0]));
        }),
        { numRuns: 300 },
      );
      await stillGood();
    });
  });

  describe('keys', () => {
    it('of prototypes arrive unchanged, and pollute nothing', async () => {
      const poison =
        '{"__proto__":{"polluted":true,"message":"m"},"constructor":{"prototype":{"polluted":true}},"text":"t","hasOwnProperty":1,"toString":null}';
      const body = `{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":"one__echo","arguments":${poison},"_meta":${poison},"__proto__":${poison}}}`;
      const { messages } = await client.post(body);
      assert.equal(textOf(messages[0]!), 't');
      assert.equal(server.last('tools/call')!.body, body.replace('one__echo', 'echo'));

      const asArguments = `{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":"exec_tool","arguments":{"server":"one","tool":"echo","arguments":${poison}}}}`;
      assert.equal(textOf((await client.post(asArguments)).messages[0]!), 't');
      assert.ok(server.last('tools/call')!.body.includes(`"arguments":${poison}`));

      // A message that only the prototype has is not there.
      const own = `{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":"echo","arguments":${poison}}}`;
      const [answer] = (await client.post(own)).messages;
      assert.equal(answer!.result.isError, true);
      const hidden = `{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"__proto__":{"name":"one__echo"}}}`;
      assert.equal((await client.post(hidden)).messages[0]!.error!.code, INVALID_PARAMS);
      const info = await client.callTool('system_info');
      assert.doesNotMatch(info.text, /polluted/);
      await stillGood();
    });

    it('that stand twice where the gateway reads are refused, and nobody is called', async () => {
      const twice: [string, string][] = [
        ['tools/call', '{"name":"one__echo","name":"one__fail"}'],
        ['tools/call', '{"name":"one__fail","n\\u0061me":"one__echo"}'],
        ['tools/call', '{"name":"echo","name":"one__echo"}'],
        ['tools/call', '{"name":"one__echo","arguments":{"text":"a"},"arguments":{"text":"b"}}'],
        ['tools/call', '{"name":"exec_tool","arguments":{"server":"one","tool":"echo","tool":"fail"}}'],
        ['tools/call', '{"name":"exec_tool","arguments":{"server":"proc","server":"one","tool":"echo"}}'],
        [
          'tools/call',
          '{"name":"exec_tool","arguments":{"server":"one","tool":"echo","arguments":{"text":"a"},"arguments":{"text":"b"}}}',
        ],
        [
          'tools/call',
          '{"name":"exec_tool","arguments":{"server":"one","tool":"echo"},"arguments":{"server":"one","tool":"fail"}}',
        ],
        ['prompts/get', '{"name":"one__p","name":"proc__greet"}'],
        ['resources/read', '{"uri":"one://r","uri":"stdio://greeting"}'],
        ['resources/read', '{"uri":"un://listed","uri":"un://listed2"}'],
        ['resources/subscribe', '{"uri":"stdio://greeting","uri":"one://r"}'],
        [
          'completion/complete',
          '{"ref":{"type":"ref/prompt","name":"proc__greet","name":"one__p"},"argument":{}}',
        ],
        [
          'completion/complete',
          '{"ref":{"type":"ref/prompt","name":"one__p"},"ref":{"type":"ref/prompt","name":"one__p"},"argument":{}}',
        ],
        [
          'tools/call',
          '{"name":"proc__echo","arguments":{"text":"a"},"_meta":{"progressToken":1,"progressToken":2}}',
        ],
      ];
      const handled = () =>
        ['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe', 'completion/complete'].map(
          (method) => server.count(method),
        );
      const before = handled();
      for (const [method, params] of twice) {
        const { messages } = await client.post(
          `{"jsonrpc":"2.0","id":"t","method":"${method}","params":${params}}`,
        );
        assert.equal(messages.length, 1);
        assert.equal(messages[0]!.error?.code, INVALID_REQUEST, `${params}: ${JSON.stringify(messages[0])}`);
        assert.match(messages[0]!.error!.message, /stands twice/);
        assert.deepEqual(handled(), before, params);
      }
      await stillGood();
    });

    it('that stand twice in what only the server reads are passed on as they are', async () => {
      const params = '{"name":"one__echo","arguments":{"text":"a","x":1,"x":2,"text":"b"}}';
      const body = `{"jsonrpc":"2.0","id":"t","method":"tools/call","params":${params}}`;
      assert.equal(textOf((await client.post(body)).messages[0]!), 'b');
      assert.equal(server.last('tools/call')!.body, body.replace('one__echo', 'echo'));
    });
  });

  describe('senders', () => {
    it('of a foreign origin or host are refused, whatever they ask', async () => {
      const foreign: Record<string, string>[] = [
        { origin: 'http://evil.example' },
        { origin: 'https://localhost.evil.example' },
        { origin: 'http://127.0.0.1.evil.example' },
        { origin: 'null' },
        { origin: 'file://' },
        { origin: 'chrome-extension://abc' },
        { origin: 'http://[::2]' },
        { host: 'evil.example' },
        { host: `evil.example:${port}` },
        { host: '127.0.0.1.evil.example' },
        { host: '10.0.0.1' },
        { host: 'localhost.evil.example:80' },
      ];
      const opened = server.sessionsOpened;
      for (const headers of foreign) {
        const answers = [
          await client.request('tools/list', {}, { headers }),
          await client.request(
            'initialize',
            { protocolVersion: '2025-11-25', capabilities: {} },
            { headers },
          ),
          await client.delete({ headers }),
        ];
        for (const answer of answers) {
          refused(answer, 403, -32000);
          assert.equal(answer.headers['mcp-session-id'], undefined);
          assert.equal(answer.headers['access-control-allow-origin'], undefined);
        }
        assert.equal((await client.stream({ headers })).status, 403);
      }
      assert.equal(server.sessionsOpened, opened);
      await stillGood();
    });

    it('on this machine are not foreign', async () => {
      for (const headers of [
        { origin: 'http://localhost:3000' },
        { origin: 'http://127.0.0.1' },
        { origin: 'https://[::1]:8443' },
        { host: `localhost:${port}` },
        { host: '127.0.0.1' },
        { host: '[::1]' },
      ]) {
        assert.equal((await client.request('ping', {}, { headers })).status, 200, JSON.stringify(headers));
      }
    });

    it('may name a session only as it is', async () => {
      for (const id of [
        '__proto__',
        'constructor',
        `${client.sessionId}, ${client.sessionId}`,
        `${client.sessionId} `.repeat(2),
        'x'.repeat(8000),
      ]) {
        refused(await client.request('ping', {}, { headers: { 'mcp-session-id': id } }), 404, -32001);
      }
      await stillGood();
    });
  });

  describe('HTTP', () => {
    const post = (body: string, headers = '') =>
      `POST /mcp HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/json\r\nAccept: */*\r\n` +
      `Mcp-Session-Id: ${client.sessionId}\r\n${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
    const ping = (id: Id) => JSON.stringify(request(id, 'ping'));
    const statuses = (text: string) =>
      [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));

    it('headers that are too large are 431', async () => {
      for (const headers of [`X-Large: ${'x'.repeat(100_000)}\r\n`, 'X-Many: 1\r\n'.repeat(10_000)]) {
        const socket = await RawSocket.open(gateway.mcpUrl);
        await socket.write(post(ping(1), headers));
        assert.deepEqual(statuses(await socket.end()), [431]);
      }
      await stillGood();
    });

    it('that cannot be read is 400, and the connection is closed', async () => {
      const garbage: (string | Buffer)[] = [
        'hello\r\n\r\n',
        'GET\r\n\r\n',
        'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
        Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n`,
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nX Y: 1\r\n\r\n`,
        `POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n`,
        `POST /mcp HTTP/1.1\r\n\r\n`,
      ];
      for (const bytes of garbage) {
        const socket = await RawSocket.open(gateway.mcpUrl);
        await socket.write(bytes);
        assert.deepEqual(statuses(await socket.end()), [400], String(bytes));
      }
      await stillGood();
    });

    it('after a good request is 400, and the end of that connection only', async () => {
      const socket = await RawSocket.open(gateway.mcpUrl);
      await socket.write(post(ping('first')));
      await socket.expect(/"id":"first","result":\{\}/);
      await socket.write('what is this\r\n\r\n');
      assert.deepEqual(statuses(await socket.end()), [200, 400]);
      const atOnce = await RawSocket.open(gateway.mcpUrl);
      await atOnce.write(`${post(ping('first'))}what is this\r\n\r\n`);
      assert.equal(statuses(await atOnce.end()).at(-1), 400);
      await stillGood();
    });

    it('in a pipeline is answered in order', async () => {
      const socket = await RawSocket.open(gateway.mcpUrl);
      const slow = JSON.stringify(
        request('a', 'tools/call', { name: 'one__slow', arguments: { steps: 1, stepMs: 50 } }),
      );
      await socket.write(post(slow) + post(ping('b')) + post('{') + post(ping('d')));
      const received = await socket.expect(/"id":"d"/);
      assert.deepEqual(statuses(received), [200, 200, 400, 200]);
      assert.deepEqual(
        [...received.matchAll(/"id":("[abd]"|null)/g)].map(([, id]) => id),
        ['"a"', '"b"', 'null', '"d"'],
      );
      socket.close();
    });

    it('with a length that is wrong harms nobody else', async () => {
      const socket = await RawSocket.open(gateway.mcpUrl);
      await socket.write(post(ping(1)).replace(/Content-Length: \d+/, 'Content-Length: 10'));
      // What its length leaves over is no request.
      assert.deepEqual(statuses(await socket.end()), [400, 400]);
      await stillGood();
    });

    it('that comes slowly, or not to its end, keeps nobody waiting', async () => {
      const halves: RawSocket[] = [];
      for (let each = 0; each < 50; each++) {
        const socket = await RawSocket.open(gateway.mcpUrl);
        await socket.write(each % 2 === 0 ? post(ping(1)).slice(0, -5) : post(ping(1)).slice(0, 40));
        halves.push(socket);
      }
      const slow = await RawSocket.open(gateway.mcpUrl);
      for (const byte of post(ping('slow'))) await slow.write(byte);
      assert.match(await slow.expect(/"id":"slow"/), /^HTTP\/1\.1 200 /);
      slow.close();
      await stillGood();
      for (const socket of halves) socket.close();
      await stillGood();
    });
  });

  it('leaves no trace in the gateway', async () => {
    assert.ok(gateway.isRunning);
    for (const message of [
      'a request failed inside the gateway',
      'a request failed at the edge',
      'a rejection was not handled',
    ]) {
      assert.deepEqual(gateway.logged(message), []);
    }
    const info = await until(async () => (await client.callTool('system_info')).message, {
      what: 'an answer',
    });
    assert.equal(info.result.structuredContent.name, 'dragon-mcp-gateway');
  });
});
