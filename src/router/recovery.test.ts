import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startCore } from '../../test/support/core.ts';
import { RecordingSink, recordingLogger, request, turnsUntil } from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import { ConnectionLost } from '../downstream/connection-lost.ts';
import type { AnswerSink, CancelRequest } from '../downstream/port.ts';
import { Limits } from '../limits/limits.ts';
import { readLimits } from '../limits/rules.ts';
import { type Id, notificationText, parseMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { ClientStream } from '../session/client-stream.ts';
import { requestStreamId } from '../session/event-id.ts';
import { NODE_GONE } from './node-gone.ts';
import { encodeStreamPosition } from './stream-position.ts';

const LOST = requestStreamId(1, 7, 'gone');

type Resume = (position: string, sink: AnswerSink, id: Id) => CancelRequest | undefined;

/** A node to which a client comes back for the answer to request 7, of a tool that reads. */
async function start(t: TestContext, resume?: Resume, callLimits?: Limits) {
  const core = await startCore(
    t,
    {
      a: {
        tools: ['get', 'run'],
        annotations: { get: { readOnlyHint: true } },
        respond: ({ id }) => resultText(id, '{"content":[]}'),
      },
    },
    { isShared: true, ...(callLimits && { callLimits }) },
  );
  // The session has a link, as it would have one that the other node has opened.
  await core.call('a__run', {}, 1);
  const link = core.link('a')!;
  const resumed: string[] = [];
  if (resume !== undefined) {
    Object.assign(link, {
      resume: (id: Id, position: string, sink: AnswerSink) => {
        resumed.push(position);
        return resume(position, sink, id) ?? (() => {});
      },
    });
  }
  const sinks: (RecordingSink & { readonly stream: ClientStream })[] = [];
  const asked = link.requests.length;
  return {
    ...core,
    resumed,
    sinks,
    /** What the server was asked since. */
    requests: () => link.requests.slice(asked),
    sent: () => link.sent,
    note: (name: string, more = {}) =>
      core.journal.write(
        's1',
        {
          noted: new Map([
            [
              LOST,
              { serverId: 'a', request: request('tools/call', { name, arguments: {} }, 7).text, ...more },
            ],
          ]),
          over: [],
        },
        60_000,
      ),
    at: (at: string | undefined, progress?: number) =>
      encodeStreamPosition(core.session, { serverId: 'a', at, progress }),
    async recover(position: string | undefined, streamId = LOST) {
      return core.router.recover(core.session, { streamId, sequence: 3, position }, (stream) => {
        const sink = Object.assign(new RecordingSink(), { stream });
        sinks.push(sink);
        return sink;
      });
    },
    async ended(): Promise<RecordingSink> {
      await until(() => sinks.some(({ answers, failures }) => answers.length + failures.length > 0), {
        what: 'an end',
      });
      assert.equal(sinks.length, 1);
      return sinks[0]!;
    },
  };
}

const refuses: Resume = (_position, sink) => {
  sink.fail(new ConnectionLost(Code.DownstreamUnavailable, 'did not resume it'));
  return undefined;
};

test('an answer is resumed where its server stood, and goes on from there', async (t) => {
  const node = await start(t, (_position, sink, id) => {
    const text = notificationText('notifications/progress', { progressToken: 't', progress: 2 });
    sink.message(text, parseMessage(text, 64), 'tag.6');
    sink.answer(resultText(id, '{"content":[]}'));
    return undefined;
  });
  await node.recover(node.at('tag.5'));
  const sink = await node.ended();
  assert.deepEqual([node.resumed, sink.answered.id], [['tag.5'], 7]);
  assert.deepEqual([sink.messages.length, node.requests()], [1, []]);
  assert.equal(node.session.inFlight.size, 0);
});

test('a second client, and one that comes later, is led to the stream of the first', async (t) => {
  const node = await start(t, () => undefined);
  const streams = await Promise.all([node.recover(node.at('tag.5')), node.recover(node.at('tag.5'))]);
  assert.equal(streams[0], streams[1]);
  assert.equal(await node.recover(undefined), streams[0]);
  await turnsUntil(() => node.resumed.length > 0, 'the server to be asked');
  assert.deepEqual([node.resumed.length, node.sinks.length], [1, 1]);
});

test('a call that is noted is run again where there is nothing to resume, or the server refuses', async (t) => {
  for (const resume of [undefined, refuses]) {
    const node = await start(t, resume);
    await node.note('a__get');
    const written = t.mock.method(node.journal, 'write');
    const streamId = await node.recover(node.at('tag.5', 2));
    const sink = await node.ended();
    assert.equal(sink.answered.id, 7);
    const [second, ...more] = node.requests();
    assert.deepEqual([JSON.parse(second?.text ?? '').params.name, more], ['get', []]);
    assert.notEqual(second?.id, 7);
    // Whoever comes later is not to have it run once more.
    await until(() => written.mock.calls.some(({ arguments: [, { over }] }) => over.includes(streamId)), {
      what: 'the call to be forgotten',
    });
  }
});

test('what is run again does not count once more', async (t) => {
  const coordination = createMemoryCoordination({ nodeId: 'n1' });
  const settings = readLimits('{"rules":[{"calls":1,"seconds":1000}]}');
  assert.ok(!('problem' in settings));
  const logger = recordingLogger();
  const limits = new Limits({ ...coordination, settings, hasPeers: false, logger });
  t.after(() => limits.close());
  // Its first call uses up what there is.
  const node = await start(t, undefined, limits);
  await node.note('a__get');
  await node.recover(undefined);
  assert.equal((await node.ended()).answered.id, 7);
  assert.equal((await node.call('a__get', {}, 8)).failures[0]?.code, Code.TooManyRequests);
});

test('what was run again before is not resumed: its first run was ended', async (t) => {
  const node = await start(t, () => assert.fail('resumed'));
  await node.note('a__get', { isSecondRun: true });
  await node.recover(node.at('tag.5'));
  assert.equal((await node.ended()).answered.id, 7);
});

test('all else is one error, and nothing is run', async (t) => {
  const cases: readonly (readonly [string | undefined, string | undefined, Resume | undefined])[] = [
    [undefined, undefined, undefined],
    // Refused, and not noted.
    [undefined, 'tag.5', refuses],
    // By now the tool does not say so any more, or is gone.
    ['a__run', undefined, undefined],
    ['a__none', undefined, undefined],
  ];
  for (const [name, at, resume] of cases) {
    const node = await start(t, resume);
    if (name !== undefined) await node.note(name);
    await node.recover(at && node.at(at));
    const sink = await node.ended();
    assert.deepEqual([sink.failures, sink.answers], [[NODE_GONE], []]);
    assert.deepEqual(node.requests(), []);
  }
});

test('a server that this session has nothing to do with is not asked, whatever a client says', async (t) => {
  const node = await start(t, () => assert.fail('resumed'));
  for (const serverId of ['b', 'builtin', '']) {
    await node.recover(encodeStreamPosition(node.session, { serverId, at: 'tag.5', progress: undefined }));
  }
  for (const position of ['', 'garbled']) await node.recover(position);
  await turnsUntil(() => node.sinks.every(({ failures }) => failures[0] === NODE_GONE), 'the errors');
  assert.equal(node.sinks.length, 5);
});

test('a client can cancel what is resumed, and gets no answer then', async (t) => {
  const node = await start(t, (_position, sink) => (reason) => sink.fail(reason));
  await node.note('a__get');
  await node.recover(node.at('tag.5'));
  await turnsUntil(() => node.session.inFlight.has('7'), 'the server to be asked');
  node.session.inFlight.get('7')!.cancel();
  const sink = await node.ended();
  assert.deepEqual(
    sink.failures.map(({ code }) => code),
    [Code.Cancelled],
  );
  assert.deepEqual(node.requests(), []);
});

test('while the store is away nobody goes on, and the client can come back', async (t) => {
  const node = await start(t);
  node.journal.takeOver = async () => {
    throw new GatewayError(Code.Unavailable, 'away');
  };
  await assert.rejects(node.recover(undefined), { code: Code.Unavailable });
  assert.deepEqual(node.sinks, []);
});
