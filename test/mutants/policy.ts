import type { Mutant } from './mutant.ts';

const LISTS = 'what is denied is in no list';
const CALLS = 'what is denied is called in no way';
const TOLD = 'who was denied something can not find out';
const RULES = 'rules decide as they read';

const routed = 'src/router/policy.test.ts';
const security = 'test/security/policy.test.ts';
const access = 'src/policy/access.test.ts';

/** What is denied is not there. */
export const POLICY: readonly Mutant[] = [
  {
    promise: LISTS,
    name: 'denied tools are listed',
    file: 'src/catalog/restrict.ts',
    find: "if (verdict.effect === 'deny') return undefined;",
    replace: '',
    test: routed,
    only: 'what is denied is in no list',
  },
  {
    promise: LISTS,
    name: 'denied resources are listed',
    file: 'src/catalog/restrict.ts',
    find: "access.resource(ruled(route.server), route.key).effect === 'allow' ? route : undefined;",
    replace: 'route;',
    test: routed,
    only: 'what is denied is in no list',
  },
  {
    promise: LISTS,
    name: 'no policy is applied to clients of the modern era',
    file: 'src/catalog/catalogs.ts',
    find: 'return this.#for(principal, this.modernView(principal));',
    replace: 'return this.modernView(principal);',
    test: security,
    only: 'shows each role its tools, in both eras',
  },
  {
    promise: CALLS,
    name: 'no policy is applied to clients of the legacy era',
    file: 'src/catalog/catalogs.ts',
    find: 'return this.#for(principal, this.view(principal, clientCapabilities));',
    replace: 'return this.view(principal, clientCapabilities);',
    test: security,
    only: 'answers a call of a denied tool as one of a tool that never was',
  },
  {
    promise: CALLS,
    name: 'exec_tool calls with any arguments',
    file: 'src/router/tools.ts',
    find: `  if (refusal !== undefined) return refuse(exchange, refusal);
  return withinLimits(exchange, [target.name]`,
    replace: '  return withinLimits(exchange, [target.name]',
    test: routed,
    only: 'a condition decides on the arguments',
  },
  {
    promise: CALLS,
    name: 'the second of two arguments of one name is looked at alone',
    file: 'src/router/tools.ts',
    find: "hasTwins(args) ? 'A member of the arguments stands twice' : condition(JSON.parse(args))",
    replace: 'condition(JSON.parse(args))',
    test: routed,
    only: 'a condition decides on the arguments',
  },
  {
    promise: CALLS,
    name: 'what nobody lists is read of any server',
    file: 'src/catalog/snapshot.ts',
    find: 'return candidates.filter((candidate) => restriction.mayRead(candidate.server, candidate.uri));',
    replace: 'return candidates;',
    test: routed,
    only: 'a call of what is denied ends as one of what there never was',
  },
  {
    promise: TOLD,
    name: 'whoever was denied something finds it in the event log',
    file: 'src/router/call-event.ts',
    find: "return { type: 'denial', action: message.method, tenantId, outcome",
    replace: "return { type: 'denial', action: message.method, tenantId, userId, outcome",
    test: security,
    only: 'tells admins in the event log',
  },
  {
    promise: TOLD,
    name: 'a call that was denied is so in the event log',
    file: 'src/router/call-event.ts',
    find: "if (outcome === 'denied') return error === undefined ? 'tool_error' : 'protocol_error';",
    replace: "if (outcome === 'denied') return 'denied';",
    test: security,
    only: 'tells admins in the event log',
  },
  {
    promise: RULES,
    name: 'the first rule wins, and no deny',
    file: 'src/policy/access.ts',
    find: "else if (rule.effect === 'deny') return",
    replace: "else if (rule.effect === 'deny' && otherwise.rule === undefined) return",
    test: access,
    only: 'a deny wins over every allow',
  },
  {
    promise: RULES,
    name: 'a condition that comes to no answer denies nothing',
    file: 'src/policy/access.ts',
    find: "rule.effect === 'deny' && isMet !== false",
    replace: "rule.effect === 'deny' && isMet === true",
    test: access,
    only: 'conditions look at the arguments',
  },
];
