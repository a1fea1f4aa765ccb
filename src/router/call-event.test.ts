import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeServer, RecordingSink, request } from '../../test/support/fakes.ts';
import type { EventFields, EventLog } from '../events/event.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { FRESH } from '../session/session.ts';
import { callEvent, denialEvent, type EndedCall, isCall } from './call-event.ts';
import type { Conversation } from './conversation.ts';
import { EndingSink } from './modern-ending-sink.ts';
import { RelaySink } from './relay-sink.ts';

/** Lets nobody hear of an answer before it is told to. */
class HoldingEvents implements EventLog {
  readonly wantsArguments = false;
  readonly told: EventFields[] = [];
  readonly held: (() => void)[] = [];

  append(event: EventFields): void {
    this.told.push(event);
  }

  answered(tell: () => void): void {
    this.held.push(tell);
  }
}

const SINKS = {
  legacy: (client: RecordingSink, events: EventLog, onEnd: () => void) =>
    new RelaySink(client, {
      conversation: { session: { id: 's', state: FRESH } } as unknown as Conversation,
      server: fakeServer('s'),
      onEnd,
      events,
    }),
  modern: (client: RecordingSink, events: EventLog, onEnd: () => void) =>
    new EndingSink(client, onEnd, undefined, events),
};

for (const [era, sinkTo] of Object.entries(SINKS)) {
  test(`${era}: a client hears of the end of its call after the event log, however it ends`, () => {
    const ends = {
      answer: (sink: RelaySink | EndingSink) => sink.answer('{"jsonrpc":"2.0","id":1,"result":{}}'),
      end: (sink: RelaySink | EndingSink) => sink.end(),
      fail: (sink: RelaySink | EndingSink) => sink.fail(new GatewayError(Code.DownstreamTimeout, 'late')),
    };
    for (const [how, end] of Object.entries(ends)) {
      const client = new RecordingSink();
      const events = new HoldingEvents();
      let hasEnded = false;
      const sink = sinkTo(client, events, () => {
        hasEnded = true;
      });
      if (how === 'end') {
        sink.begin(3);
        sink.data(Buffer.from('abc'));
      }
      const before = client.calls.length;
      end(sink);
      assert.deepEqual([hasEnded, client.calls.length], [true, before], how);
      for (const tell of events.held) tell();
      assert.equal(client.calls.length, before + 1, how);
    }
  });
}

const ended = (more: Partial<EndedCall> = {}): EndedCall => ({
  message: request('tools/call', { name: 'public__name', arguments: { a: 1 } }),
  principal: { tenantId: 't', userId: 'u', roles: [] },
  session: 'mark',
  subject: 'own',
  server: 's',
  outcome: 'ok',
  error: undefined,
  durationMs: 1.5,
  answerBytes: 7,
  ...more,
});

test('an event says what was called, by whom, and how it ended', () => {
  const event = callEvent(ended(), true);
  const { requestBytes, ...rest } = event;
  assert.equal(requestBytes, Buffer.byteLength(ended().message.text));
  assert.deepEqual(rest, {
    type: 'call',
    action: 'tools/call',
    tenantId: 't',
    userId: 'u',
    outcome: 'ok',
    server: 's',
    tool: 'own',
    session: 'mark',
    durationMs: 1.5,
    answerBytes: 7,
    args: { a: 1 },
  });
  assert.equal(callEvent(ended(), false).args, undefined);
  assert.equal(callEvent(ended({ subject: undefined }), false).tool, 'public__name');
  const read = request('resources/read', { uri: 'file:///a' });
  assert.equal(callEvent(ended({ message: read, subject: undefined }), false).tool, 'file:///a');
});

test('what the policy denies looks to its caller as what is not there, and is told to admins', () => {
  const error = new GatewayError(Code.InvalidParams, 'Unknown tool');
  const unknown = callEvent(ended({ outcome: 'error', error, subject: undefined, server: undefined }), false);
  const denied = callEvent(ended({ outcome: 'denied', error, subject: undefined, server: undefined }), false);
  assert.deepEqual(denied, unknown);
  const { message, principal } = ended();
  assert.deepEqual(denialEvent(message, principal, 'mark'), {
    type: 'denial',
    action: 'tools/call',
    tenantId: 't',
    outcome: 'denied',
    tool: 'public__name',
    session: 'mark',
    detail: { user: 'u' },
  });
});

test('outcomes are told apart', () => {
  const of = (outcome: EndedCall['outcome'], code?: Code) => {
    const error = code === undefined ? undefined : new GatewayError(code, 'x');
    return callEvent(ended({ outcome, error }), false).outcome;
  };
  assert.deepEqual(
    [
      of('ok'),
      of('tool_error'),
      of('error'),
      of('cancelled', Code.Cancelled),
      of('error', Code.DownstreamTimeout),
      of('error', Code.DownstreamUnavailable),
      of('error', Code.Forbidden),
      of('error', Code.Unauthenticated),
    ],
    ['ok', 'tool_error', 'protocol_error', 'cancelled', 'timeout', 'protocol_error', 'denied', 'denied'],
  );
  assert.deepEqual(['tools/call', 'prompts/get', 'resources/read', 'tools/list', 'ping'].map(isCall), [
    true,
    true,
    true,
    false,
    false,
  ]);
});
