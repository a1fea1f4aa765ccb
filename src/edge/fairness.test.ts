import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startCore } from '../../test/support/core.ts';
import { fakeResponse } from '../../test/support/fake-http.ts';
import { OWNER, turnsUntil } from '../../test/support/fakes.ts';
import { request as rpcRequest } from '../../test/support/rpc.ts';
import type { AdmissionOptions } from '../admission/admission.ts';
import type { Presented } from '../auth/identity.ts';
import type { Principal } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { EventStreams } from './event-stream.ts';
import { PlainRequest } from './front/plain-request.ts';
import { type EndpointOptions, McpEndpoint } from './mcp-endpoint.ts';

/** The owner of a server that never answers, and two others, who have the gateway's own tools. */
const USERS: Readonly<Record<string, Principal>> = {
  heavy: { ...OWNER, roles: ['user'] },
  light: { tenantId: 'elsewhere', userId: 'light', roles: ['user'] },
  other: { tenantId: 'elsewhere', userId: 'other', roles: ['user'] },
};

/** An endpoint that takes the user from a header, and what it answers. */
async function start(t: TestContext, limits: Partial<AdmissionOptions>) {
  const core = await startCore(t, { a: { tools: ['stuck'], respond: () => undefined } }, { limits });
  const sessions = new Map(Object.entries(USERS).map(([name, who]) => [name, core.newSession(name, who)]));
  const streams = new EventStreams();
  t.after(() => streams.close());
  const endpoint = new McpEndpoint({
    authenticate: ({ headers }: Presented) => USERS[String(headers['x-user'])]!,
    sessions: {
      find: (principal: Principal, id: string) => {
        const session = sessions.get(id);
        if (session?.principal !== principal) throw new GatewayError(Code.SessionNotFound, 'no');
        return session;
      },
    },
    router: core.router,
    admission: core.admission,
    streams,
    taps: { isOn: false },
    logger: core.logger,
    maxBodyBytes: 10_000,
    maxJsonDepth: 32,
  } as unknown as EndpointOptions);
  let lastId = 0;

  function send(user: string, tool: string) {
    const client = fakeResponse();
    const body = rpcRequest(++lastId, 'tools/call', { name: tool, arguments: { message: 'hello' } });
    const headers = {
      'x-user': user,
      'mcp-session-id': user,
      'mcp-protocol-version': '2025-11-25',
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    void endpoint.post(
      new PlainRequest(headers, Buffer.from(JSON.stringify(body)), new Socket()),
      client.response,
    );
    return client;
  }

  /** The status of the answer. */
  async function call(user: string): Promise<number> {
    const client = send(user, 'echo');
    await turnsUntil(() => client.response.writableEnded, 'an answer');
    return client.parsed().status;
  }

  // What exists for each is known from now on.
  for (const user of sessions.keys()) assert.equal(await call(user), 200);
  return { core, sessions, send, call };
}

test('who holds as much as there is for one does not take the node from others', async (t) => {
  const { core, sessions, send, call } = await start(t, { maxInFlight: 20, maxInFlightOfOne: 18 });
  const { inFlight } = sessions.get('heavy')!;
  const held = Array.from({ length: 30 }, () => send('heavy', 'a__stuck'));
  await turnsUntil(() => core.admission.inFlight === 18, 'the calls to be let in');
  const refused = held.filter(({ response }) => response.writableEnded).map((client) => client.parsed());
  assert.deepEqual(
    refused.map(({ status }) => status),
    Array.from({ length: 12 }, () => 429),
  );
  for (let n = 0; n < 50; n++) {
    assert.equal(await call('light'), 200);
    assert.equal(await call('heavy'), 429);
  }
  for (const request of [...inFlight.values()].slice(0, 9)) request.cancel();
  await turnsUntil(() => core.admission.inFlight === 9, 'the calls to be over');
  assert.equal(await call('heavy'), 200);
  for (const request of [...inFlight.values()]) request.cancel();
  await turnsUntil(() => core.admission.inFlight === 0, 'all to be over');
});

test('who floods a node that has no time is refused, and others are not', async (t) => {
  const clock = { now: 0 };
  const time = () => clock.now;
  const { core, send, call } = await start(t, { maxTurnMs: 20, now: time, used: time });
  const { admission } = core;
  const counts = { heavy: { ok: 0, refused: 0 }, light: { ok: 0, refused: 0 }, other: { ok: 0, refused: 0 } };

  /** A turn of the loop, in which each call takes a tenth of a millisecond. */
  async function turn(): Promise<void> {
    const sent = Array.from({ length: 300 }, (_, n) => {
      const user = n % 60 === 30 ? 'light' : n % 60 === 50 ? 'other' : 'heavy';
      const client = send(user, 'echo');
      clock.now += 0.1;
      return { user, client } as const;
    });
    admission.sample(30);
    admission.refusals.flush();
    await turnsUntil(() => sent.every(({ client }) => client.response.writableEnded), 'all answers');
    for (const { user, client } of sent) {
      const { status, headers } = client.parsed();
      if (status === 200) counts[user].ok++;
      else {
        assert.ok(status === 429 || status === 503, `${status}`);
        assert.match(headers['retry-after'] ?? '', /^[123]$/);
        counts[user].refused++;
      }
    }
  }

  for (let n = 0; n < 15; n++) await turn();
  assert.equal(admission.isShort, true);
  for (const count of Object.values(counts)) count.ok = count.refused = 0;
  for (let n = 0; n < 30; n++) await turn();
  for (const user of ['light', 'other'] as const)
    assert.deepEqual(counts[user], { ok: 150, refused: 0 }, user);
  assert.ok(counts.heavy.refused > counts.heavy.ok, JSON.stringify(counts));
  assert.ok(counts.heavy.ok > 30, JSON.stringify(counts));
  for (let n = 0; n < 12; n++) {
    clock.now += 50;
    admission.sample(1);
  }
  assert.equal(admission.isShort, false);
  assert.equal(await call('heavy'), 200);
  assert.equal(admission.inFlight, 0);
});
