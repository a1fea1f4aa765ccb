import type { Mutant } from './mutant.ts';

const MESSAGES = 'what nodes say to each other is believed of nodes alone';
const EVENTS = 'who edits the event log can be found out';
const STATES = 'what a client carries between rounds of a call is good for that call of that user alone';

const signed = 'test/contract/coordination-signed.test.ts';
const log = 'test/contract/db-events.test.ts';
const states = 'src/protocol/modern/request-state.test.ts';

/** What goes through others' hands: Redis, the database, clients. */
export const CLUSTER: readonly Mutant[] = [
  {
    promise: MESSAGES,
    name: 'signatures of messages are not looked at',
    file: 'src/coordination/redis/envelope.ts',
    find: "if (!isSigned) throw new Error('It is not signed by a member of the cluster');",
    replace: '',
    test: signed,
    only: 'is not believed of anybody else',
  },
  {
    promise: MESSAGES,
    name: 'a message is believed on any channel',
    file: 'src/coordination/redis/envelope.ts',
    find: 'key.of(`${channel}\\n${text}`)',
    replace: 'key.of(text)',
    test: signed,
    only: 'is not believed on another channel',
  },
  {
    promise: MESSAGES,
    name: 'events go into the log whoever has made them',
    file: 'src/coordination/redis/event-stream.ts',
    find: `} catch {
      return undefined;`,
    replace: `} catch {
      return data;`,
    test: signed,
    only: 'counts for the event log where a member has signed it',
  },
  {
    promise: EVENTS,
    name: 'hashes of events are not looked at',
    file: 'src/db/event-verify.ts',
    find: 'if (stored.hash !== expected.hash) return',
    replace: "if (stored.hash === '') return",
    test: log,
    only: 'in embedded PostgreSQL finds an edited tool',
  },
  {
    promise: EVENTS,
    name: 'the end of the chain is not looked for',
    file: 'src/db/event-verify.ts',
    find: 'if (place.ordinal < head.ordinal) return',
    replace: 'if (place.ordinal < 0) return',
    test: log,
    only: 'in embedded PostgreSQL finds removed last rows',
  },
  {
    promise: EVENTS,
    name: 'the end of the chain may be another',
    file: 'src/db/event-verify.ts',
    find: 'if (place.hash !== head.hash) return',
    replace: "if (place.hash === '') return",
    test: log,
    only: 'in embedded PostgreSQL finds a last row that was made anew with its hash',
  },
  {
    promise: STATES,
    name: 'a state is good for any user',
    file: 'src/protocol/modern/request-state.ts',
    find: "throw new StateRefused('other_user');",
    replace: '{}',
    test: states,
    only: 'is refused for another user',
  },
  {
    promise: STATES,
    name: 'a state is good for any request',
    file: 'src/protocol/modern/request-state.ts',
    find: "throw new StateRefused('other_request');",
    replace: '{}',
    test: states,
    only: 'is refused for another request',
  },
  {
    promise: STATES,
    name: 'a state is good for ever',
    file: 'src/protocol/modern/request-state.ts',
    find: 'if (now >= expiresAt) throw',
    replace: 'if (now < 0) throw',
    test: states,
    only: 'is refused from the moment it expires',
  },
];
