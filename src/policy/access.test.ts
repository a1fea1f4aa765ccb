import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Principal, rolesOf } from '../auth/principal.ts';
import { globMatches } from '../protocol/glob.ts';
import type { RuledServer } from './access.ts';
import { explain } from './explain.ts';
import { Policy } from './policy.ts';
import { type PolicyRule, type PolicySettings, readPolicy } from './rules.ts';

const GITHUB: RuledServer = { name: 'github', isBuiltin: false };
const BUILTIN: RuledServer = { name: 'dragon', isBuiltin: true };

function principal(userId = 'ada', roles: readonly string[] = [], tenantId = 'acme'): Principal {
  return { tenantId, userId, roles: rolesOf(roles) };
}

async function policyOf(settings: object): Promise<Policy> {
  const read = readPolicy(JSON.stringify(settings));
  assert.ok(!('problem' in read), JSON.stringify(read));
  return Policy.of(read);
}

async function asker(settings: object, who = principal()) {
  const policy = await policyOf(settings);
  const decided = (asked: Parameters<typeof explain>[3], server = GITHUB) => {
    const { effect, rule } = explain(policy, who, server, asked);
    return rule === undefined ? effect : `${effect} by ${rule.label}`;
  };
  return {
    policy,
    tool: (name: string, annotations: unknown = {}, args: unknown = {}, server = GITHUB) =>
      decided({ kind: 'tool', name, annotations, args }, server),
    prompt: (name: string, server = GITHUB) => decided({ kind: 'prompt', name }, server),
    resource: (name: string, server = GITHUB) => decided({ kind: 'resource', name }, server),
  };
}

test('a deny wins over every allow, an allow over the default, wherever they stand', async () => {
  const rules = [
    { effect: 'allow', tools: ['delete_*', 'get_*'] },
    { effect: 'deny', tools: ['delete_*'] },
  ];
  for (const order of [rules, [...rules].reverse()]) {
    const { tool } = await asker({ default: 'deny', rules: order });
    assert.match(tool('delete_all'), /^deny by/);
    assert.match(tool('get_one'), /^allow by/);
    assert.equal(tool('list'), 'deny');
  }
});

test('each selector narrows a rule; what it does not name is all the same to it', async () => {
  const only = async (selector: object, who?: Principal) =>
    asker({ rules: [{ name: 'it', effect: 'deny', ...selector }] }, who);
  const denied = 'deny by rule 1 (it)';
  assert.equal((await only({})).tool('x'), denied);
  assert.equal((await only({ tenants: ['acme'] })).tool('x'), denied);
  assert.equal((await only({ tenants: ['acme.com'] })).tool('x'), 'allow');
  assert.equal((await only({ users: ['a*'] })).tool('x'), denied);
  assert.equal((await only({ users: ['b*'] })).tool('x'), 'allow');
  assert.equal((await only({ roles: ['support'] }, principal('ada', ['support']))).tool('x'), denied);
  assert.equal((await only({ roles: ['support'] })).tool('x'), 'allow');
  assert.equal((await only({ exceptRoles: ['admin'] })).tool('x'), denied);
  assert.equal((await only({ exceptRoles: ['admin'] }, principal('ada', ['admin']))).tool('x'), 'allow');
  assert.equal((await only({ servers: ['git*'] })).tool('x'), denied);
  assert.equal((await only({ servers: ['jira'] })).tool('x'), 'allow');
  const tools = await only({ tools: ['x'] });
  assert.deepEqual([tools.tool('x'), tools.prompt('x'), tools.resource('x')], [denied, 'allow', 'allow']);
  const both = await only({ prompts: ['x'], resources: ['x'] });
  assert.deepEqual([both.tool('x'), both.prompt('x'), both.resource('x')], ['allow', denied, denied]);
  const hinted = await only({ annotations: { destructive: true } });
  assert.deepEqual([hinted.tool('x'), hinted.prompt('x'), hinted.resource('x')], [denied, 'allow', 'allow']);
});

test('a tool that says nothing is taken for one that changes, destroys and reaches out', async () => {
  const { tool } = await asker({
    rules: [{ effect: 'deny', annotations: { destructive: true } }],
  });
  for (const silent of [undefined, null, {}, [], 'no', { destructiveHint: 'false' }, { readOnlyHint: 1 }])
    assert.match(tool('x', silent), /^deny/, JSON.stringify(silent));
  for (const harmless of [{ destructiveHint: false }, { readOnlyHint: true, destructiveHint: true }])
    assert.equal(tool('x', harmless), 'allow', JSON.stringify(harmless));
  const more = await asker({
    rules: [
      { name: 'a', effect: 'deny', annotations: { openWorld: true, idempotent: false } },
      { name: 'b', effect: 'deny', annotations: { readOnly: false } },
    ],
  });
  assert.equal(more.tool('x'), 'deny by rule 1 (a)');
  assert.equal(more.tool('x', { openWorldHint: false }), 'deny by rule 2 (b)');
  assert.equal(more.tool('x', { readOnlyHint: true, idempotentHint: true }), 'allow');
});

test('the gateway’s own tools are judged by name alone', async () => {
  const { tool } = await asker({
    rules: [
      { effect: 'deny', annotations: { destructive: true } },
      { effect: 'deny', servers: ['dragon'], tools: ['echo'] },
    ],
  });
  assert.equal(tool('exec_tool', {}, {}, BUILTIN), 'allow');
  assert.match(tool('echo', {}, {}, BUILTIN), /^deny/);
});

test('a URI is denied in every form that a server may take it for, and allowed only in all', async () => {
  const denying = await asker({ rules: [{ effect: 'deny', resources: ['file:///secret/*'] }] });
  for (const uri of [
    'file:///secret/a',
    'FILE:///secret/a',
    'file:///open/../secret/a',
    'file:///%73ecret/a',
    'file:///secret%2Fa',
    'file:///open/%2e%2e/secret/a',
  ])
    assert.match(denying.resource(uri), /^deny/, uri);
  assert.equal(denying.resource('file:///open/a'), 'allow');
  const allowing = await asker({
    default: 'deny',
    rules: [{ effect: 'allow', resources: ['file:///open/*'] }],
  });
  assert.match(allowing.resource('file:///open/a'), /^allow/);
  for (const uri of ['file:///open/../secret/a', 'file:///open/%2e%2e/secret/a'])
    assert.equal(allowing.resource(uri), 'deny', uri);
});

test('a server shows where something of it may be used', async () => {
  const shows = async (settings: object) =>
    (await policyOf(settings)).accessOf(principal())?.server(GITHUB) ?? true;
  assert.equal(await shows({ rules: [{ effect: 'deny', servers: ['github'] }] }), false);
  assert.equal(await shows({ rules: [{ effect: 'deny', servers: ['github'], tools: ['*'] }] }), true);
  assert.equal(await shows({ rules: [{ effect: 'deny', servers: ['github'], when: 'true' }] }), true);
  assert.equal(await shows({ default: 'deny', rules: [{ effect: 'allow', tools: ['x'] }] }), true);
  assert.equal(await shows({ default: 'deny', rules: [{ effect: 'allow', servers: ['jira'] }] }), false);
});

test('who may use everything has no access to be looked at', async () => {
  const policy = await policyOf({ rules: [{ effect: 'deny', roles: ['support'] }, { effect: 'allow' }] });
  assert.equal(policy.accessOf(principal()), undefined);
  const support = principal('ada', ['support']);
  assert.ok(policy.accessOf(support) !== undefined);
  assert.equal(policy.accessOf(support), policy.accessOf(support));
});

test('principals of one owner share what they see where the same rules are theirs, and only there', async () => {
  const keyOf = (policy: Policy, ...roles: string[]) => policy.accessOf(principal('ada', roles))?.key;
  const plain = await policyOf({ default: 'deny', rules: [{ effect: 'allow', roles: ['a'] }] });
  assert.equal(keyOf(plain), keyOf(plain, 'b'));
  assert.notEqual(keyOf(plain), keyOf(plain, 'a'));
  const looking = await policyOf({ rules: [{ effect: 'deny', when: '"b" in roles' }] });
  assert.notEqual(keyOf(looking), keyOf(looking, 'b'));
});

test('conditions look at the arguments; one that comes to no answer denies, and does not allow', async () => {
  const denying = await asker({ rules: [{ effect: 'deny', tools: ['pay'], when: 'args.amount > 100' }] });
  const pay = (args: unknown) => denying.tool('pay', {}, args);
  assert.equal(pay({ amount: 100 }), 'allow');
  for (const args of [{ amount: 100.5 }, { amount: 'x' }, {}, undefined, [], { Amount: 1 }])
    assert.match(pay(args), /^deny/, JSON.stringify(args));
  assert.equal(denying.tool('get', {}, {}), 'allow');
  const allowing = await asker({
    default: 'deny',
    rules: [{ effect: 'allow', tools: ['pay'], when: 'args.to.country in ["CH", "DE"] && user == "ada"' }],
  });
  assert.match(allowing.tool('pay', {}, { to: { country: 'CH' } }), /^allow/);
  for (const args of [{ to: { country: 'X' } }, { to: 1 }, {}])
    assert.equal(allowing.tool('pay', {}, args), 'deny');
  const deep = await asker({
    rules: [
      { effect: 'deny', when: 'args.list.exists(x, x.name == "root") || args["__proto__"].a == [1, null]' },
    ],
  });
  for (const [text, expected] of [
    ['{"list":[{"name":"a"},{"name":"root"}],"__proto__":{"a":[]}}', 'deny by rule 1'],
    ['{"list":[{"name":"a"}],"__proto__":{"a":[1,null]}}', 'deny by rule 1'],
    ['{"list":[{"name":"a"}],"__proto__":{"a":[1,2]}}', 'allow'],
  ] as const)
    assert.equal(deep.tool('x', {}, JSON.parse(text)), expected, text);
  const both = await asker({
    default: 'deny',
    rules: [
      { effect: 'allow', when: 'args.a' },
      { effect: 'deny', when: 'args.d' },
      { effect: 'allow', tools: ['free'] },
    ],
  });
  assert.equal(both.tool('x', {}, { a: true, d: true }), 'deny by rule 2');
  assert.equal(both.tool('x', {}, { a: true, d: false }), 'allow by rule 1');
  assert.equal(both.tool('free', {}, { a: false, d: false }), 'allow by rule 3');
  assert.equal(both.tool('free', {}, { d: true }), 'deny by rule 2');
});

/** The same said once more, in the plainest way, for rules without conditions and annotations. */
function plainly({ default: byDefault, rules }: PolicySettings, who: Principal, tool: string): string {
  const has = (patterns: readonly string[] | undefined, name: string) =>
    patterns === undefined || patterns.some((pattern) => globMatches(pattern, name));
  const matching = rules.filter(
    (rule: PolicyRule) =>
      has(rule.users, who.userId) &&
      has(rule.servers, GITHUB.name) &&
      has(rule.tools, tool) &&
      (rule.roles === undefined || rule.roles.some((role) => who.roles.includes(role))),
  );
  if (matching.some(({ effect }) => effect === 'deny')) return 'deny';
  return matching.length > 0 ? 'allow' : byDefault;
}

test('any set of rules decides as they read', async () => {
  const some = (...names: string[]) => fc.option(fc.subarray(names, { minLength: 1 }), { nil: undefined });
  const rule = fc.record(
    {
      effect: fc.constantFrom('allow', 'deny'),
      users: some('ada', 'b*', '*'),
      roles: some('support', 'user'),
      servers: some('git*', 'jira'),
      tools: some('get_*', 'delete', '?'),
    },
    { requiredKeys: ['effect'] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.record({ default: fc.constantFrom('allow', 'deny'), rules: fc.array(rule, { maxLength: 6 }) }),
      fc.constantFrom('ada', 'bob'),
      fc.subarray(['support', 'admin']),
      fc.constantFrom('get_one', 'delete', 'x', 'other'),
      async (settings, user, roles, tool) => {
        const who = principal(user, roles);
        const decided = (await asker(settings, who)).tool(tool).split(' ')[0];
        assert.equal(decided, plainly(readPolicy(JSON.stringify(settings)) as PolicySettings, who, tool));
      },
    ),
  );
});
