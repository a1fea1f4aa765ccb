import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { isSpecType } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { jsonValue, someString } from '../../../test/support/json-text.ts';
import { Code, GatewayError } from '../errors.ts';
import { TASKS } from './capabilities.ts';
import { MetaKey } from './keys.ts';
import {
  acknowledgement,
  filterText,
  forStreams,
  honoured,
  isEmptyFilter,
  listenResult,
  neededForFilter,
  readFilter,
  type SubscriptionFilter,
  subscriptionIdOf,
  wants,
} from './subscriptions.ts';

const NOTHING: SubscriptionFilter = {
  toolsListChanged: false,
  promptsListChanged: false,
  resourcesListChanged: false,
  resourceSubscriptions: [],
  taskIds: [],
};

const updated = 'notifications/resources/updated';

describe('a filter', () => {
  it('is read, with what it does not say not asked for', () => {
    assert.deepEqual(readFilter({ notifications: {} }), NOTHING);
    assert.deepEqual(
      readFilter({
        notifications: {
          toolsListChanged: true,
          promptsListChanged: false,
          resourceSubscriptions: ['a:b', 'a:b', 'c:d'],
          taskIds: ['t'],
          unknown: 7,
        },
      }),
      { ...NOTHING, toolsListChanged: true, resourceSubscriptions: ['a:b', 'c:d'], taskIds: ['t'] },
    );
  });

  it('is refused where it is malformed, by name', () => {
    const bad: readonly (readonly [object | undefined, RegExp])[] = [
      [undefined, /"notifications"/],
      [{}, /"notifications"/],
      [{ notifications: [] }, /"notifications"/],
      [{ notifications: { toolsListChanged: 'yes' } }, /toolsListChanged/],
      [{ notifications: { resourceSubscriptions: 'a:b' } }, /resourceSubscriptions/],
      [{ notifications: { resourceSubscriptions: [7] } }, /resourceSubscriptions/],
      [{ notifications: { taskIds: {} } }, /taskIds/],
    ];
    for (const [params, pattern] of bad) {
      assert.throws(
        () => readFilter(params as never),
        (error) =>
          error instanceof GatewayError && error.code === Code.InvalidParams && pattern.test(error.message),
      );
    }
  });

  it('is honoured as far as there is an offer', () => {
    const all: SubscriptionFilter = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: ['a:1', 'b:2'],
      taskIds: ['s.t', 'x.t'],
    };
    const offer = {
      toolsListChanged: true,
      promptsListChanged: false,
      resourcesListChanged: true,
      canWatch: (uri: string) => uri.startsWith('a:'),
      canFollow: (id: string) => id.startsWith('s.'),
    };
    assert.deepEqual(honoured(all, offer), {
      ...all,
      promptsListChanged: false,
      resourceSubscriptions: ['a:1'],
      taskIds: ['s.t'],
    });
    assert.deepEqual(honoured(NOTHING, offer), NOTHING);
    assert.ok(
      isEmptyFilter(NOTHING) && !isEmptyFilter({ ...NOTHING, taskIds: ['t'] }) && !isEmptyFilter(all),
    );
  });

  it('on tasks needs the extension', () => {
    assert.deepEqual(neededForFilter(NOTHING), {});
    assert.deepEqual(neededForFilter({ ...NOTHING, taskIds: ['t'] }), { extensions: { [TASKS]: {} } });
  });

  it('lets through what it asks for and nothing else', () => {
    const rows: readonly (readonly [Partial<SubscriptionFilter>, string, object | undefined, boolean])[] = [
      [{ toolsListChanged: true }, 'notifications/tools/list_changed', undefined, true],
      [{ promptsListChanged: true }, 'notifications/prompts/list_changed', undefined, true],
      [{ resourcesListChanged: true }, 'notifications/resources/list_changed', {}, true],
      [{ promptsListChanged: true }, 'notifications/tools/list_changed', undefined, false],
      [{ resourcesListChanged: true }, updated, { uri: 'a:b' }, false],
      [{ resourceSubscriptions: ['a:b'] }, updated, { uri: 'a:b' }, true],
      [{ resourceSubscriptions: ['a:b'] }, updated, { uri: 'a:bc' }, false],
      [{ resourceSubscriptions: ['a:b'] }, updated, { uri: 'a:b/c' }, true],
      [{ resourceSubscriptions: ['a:b/'] }, updated, { uri: 'a:b/c' }, true],
      [{ resourceSubscriptions: ['a:b/c'] }, updated, { uri: 'a:b' }, false],
      [{ resourceSubscriptions: ['a:b'] }, updated, {}, false],
      [{ resourceSubscriptions: ['a:b'] }, updated, undefined, false],
      [{ taskIds: ['t'] }, 'notifications/tasks', { taskId: 't' }, true],
      [{ taskIds: ['t'] }, 'notifications/tasks', { taskId: 't2' }, false],
      [{ toolsListChanged: true }, 'notifications/message', { level: 'error' }, false],
      [{ toolsListChanged: true }, 'notifications/progress', {}, false],
      [{ toolsListChanged: true }, 'sampling/createMessage', {}, false],
    ];
    for (const [filter, method, params, expected] of rows) {
      assert.equal(
        wants({ ...NOTHING, ...filter }, method, params as never),
        expected,
        JSON.stringify([filter, method, params]),
      );
    }
  });

  it('goes on the wire with nothing in it that is not asked for, and comes back', () => {
    const any = fc.record({
      toolsListChanged: fc.boolean(),
      promptsListChanged: fc.boolean(),
      resourcesListChanged: fc.boolean(),
      resourceSubscriptions: fc.uniqueArray(someString),
      taskIds: fc.uniqueArray(someString),
    });
    fc.assert(
      fc.property(any, fc.oneof(fc.maxSafeInteger(), someString), (filter, id) => {
        assert.deepEqual(readFilter({ notifications: JSON.parse(filterText(filter)) }), { ...filter });
        const ack = JSON.parse(acknowledgement(id, filter));
        assert.ok(isSpecType.SubscriptionsAcknowledgedNotification(ack));
        assert.equal(subscriptionIdOf(ack.params), id === 0 ? 0 : id);
        assert.deepEqual(readFilter(ack.params), { ...filter });
      }),
    );
    assert.equal(filterText(NOTHING), '{}');
  });
});

describe('a notification', () => {
  it('is marked for each stream with its id, and keeps every other byte', () => {
    fc.assert(
      fc.property(jsonValue, fc.oneof(fc.maxSafeInteger(), someString), (value, id) => {
        const text = `{"jsonrpc":"2.0","method":"${updated}","params":{"uri":"a:b", "x": ${value}}}`;
        const marked = forStreams(text)!(id);
        assert.deepEqual(JSON.parse(marked).params._meta, { [MetaKey.SubscriptionId]: id });
        const start = marked.indexOf('"uri"');
        assert.equal(marked.slice(start), text.slice(text.indexOf('"uri"')));
      }),
    );
  });

  it('loses the id of the stream that it came on, and keeps its other metadata', () => {
    const text = `{"method":"m","params":{"_meta":{"a":1,"${MetaKey.SubscriptionId}":"theirs"},"uri":"a:b"}}`;
    assert.deepEqual(JSON.parse(forStreams(text)!('mine')), {
      method: 'm',
      params: { _meta: { a: 1, [MetaKey.SubscriptionId]: 'mine' }, uri: 'a:b' },
    });
    const bare = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}';
    assert.equal(subscriptionIdOf(JSON.parse(forStreams(bare)!(7)).params), 7);
  });

  it('that can be read in two ways is not passed on', () => {
    assert.equal(forStreams('{"method":"m","params":{},"params":{}}'), undefined);
    assert.equal(forStreams('{"method":"m","params":{"_meta":7}}'), undefined);
  });

  it('says which stream it belongs to, or does not', () => {
    assert.equal(subscriptionIdOf(undefined), undefined);
    assert.equal(subscriptionIdOf({ _meta: 7 }), undefined);
    assert.equal(subscriptionIdOf({ _meta: { [MetaKey.SubscriptionId]: 'x' } }), 'x');
  });
});

test('a stream that is ended on purpose says so under its own id', () => {
  for (const id of [0, 7, 'a"b']) {
    const { result, ...rest } = JSON.parse(listenResult(id, '{"name":"dragon","version":"1"}'));
    assert.deepEqual(rest, { jsonrpc: '2.0', id });
    assert.ok(isSpecType.SubscriptionsListenResult(result));
    assert.deepEqual(result, {
      resultType: 'complete',
      _meta: { [MetaKey.SubscriptionId]: id, [MetaKey.ServerInfo]: { name: 'dragon', version: '1' } },
    });
  }
});
