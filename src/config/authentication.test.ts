import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ConfigError, loadConfig, maskedConfig } from '../config.ts';

const folder = mkdtempSync(join(tmpdir(), 'dragon-config-'));
after(() => rmSync(folder, { recursive: true }));

const load = (env: Record<string, string>) => loadConfig({ DRAGON_CONFIG_DIR: folder, ...env });

function problem(env: Record<string, string>): string {
  try {
    load(env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message;
  }
  assert.fail(`accepted: ${JSON.stringify(env)}`);
}

const JWT = {
  DRAGON_AUTH: 'jwt',
  DRAGON_PUBLIC_URL: 'https://dragon.example.com/',
  DRAGON_JWT_ISSUERS: 'https://idp.example.com',
};

describe('with authentication', () => {
  it('other machines may come, and may be kept out', () => {
    const open = load({ DRAGON_AUTH: 'api-key' });
    assert.deepEqual([open.auth, open.host, open.stdioAllowed], [['api-key'], '0.0.0.0', false]);
    const closed = load({ DRAGON_AUTH: 'api-key', DRAGON_HOST: '127.0.0.1' });
    assert.deepEqual([closed.host, closed.stdioAllowed], ['127.0.0.1', true]);
  });

  it('what a way needs has to be there, and what it does not need has not', () => {
    assert.match(problem({ DRAGON_AUTH: 'jwt' }), /DRAGON_JWT_ISSUERS: expected a value/);
    assert.match(problem({ DRAGON_AUTH: 'jwt' }), /DRAGON_PUBLIC_URL: expected a value/);
    assert.match(problem({ DRAGON_AUTH: 'proxy' }), /DRAGON_PROXY_ADDRESSES: expected a value/);
    assert.match(problem({ DRAGON_PROXY_ADDRESSES: '10.0.0.0/8' }), /has no effect without proxy/);
    assert.match(problem({ DRAGON_JWT_ISSUERS: 'https://a.example' }), /has no effect without jwt/);
    assert.match(problem({ DRAGON_ADMIN_API_KEY: 'k'.repeat(32) }), /has no effect without api-key/);
    assert.match(problem({ DRAGON_AUTH: 'api-key,basic' }), /DRAGON_AUTH: .*api-key, jwt, proxy/);
    assert.match(problem({ DRAGON_AUTH: 'none,jwt' }), /DRAGON_AUTH/);
  });

  it('secrets are never shown', () => {
    const secret = 'planted-secret-planted-secret-planted';
    const shown = maskedConfig(
      load({ DRAGON_AUTH: 'api-key', DRAGON_ADMIN_API_KEY: secret, DRAGON_API_KEY: secret }),
    );
    assert.deepEqual([shown['DRAGON_ADMIN_API_KEY'], shown['DRAGON_API_KEY']], ['***', '***']);
    assert.doesNotMatch(problem({ DRAGON_ADMIN_API_KEY: 'too-short-secret' }), /too-short-secret/);
  });
});

describe('issuers of tokens', () => {
  it('are named by their URLs', () => {
    const { jwtIssuers, publicUrl } = load(JWT);
    assert.equal(publicUrl, 'https://dragon.example.com');
    assert.deepEqual(
      jwtIssuers?.map(({ issuer, userClaim, algorithms }) => [issuer, userClaim, algorithms]),
      [['https://idp.example.com', ['sub'], ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']]],
    );
  });

  it('are described as JSON, in a profile as objects', () => {
    const issuer = {
      issuer: 'https://idp.example.com/a',
      rolesClaim: ['realm', 'roles'],
      roles: { ops: 'admin' },
    };
    writeFileSync(join(folder, 'staging.json'), JSON.stringify({ DRAGON_JWT_ISSUERS: [issuer] }));
    const { DRAGON_JWT_ISSUERS: _, ...rest } = JWT;
    const inProfile = load({ ...rest, DEPLOYMENT_NAME: 'staging' });
    const inEnvironment = load({ ...JWT, DRAGON_JWT_ISSUERS: JSON.stringify([issuer]) });
    assert.deepEqual(inProfile.jwtIssuers, inEnvironment.jwtIssuers);
    assert.deepEqual(inProfile.jwtIssuers?.[0]?.rolesClaim, ['realm', 'roles']);
    assert.match(String(maskedConfig(inProfile)['DRAGON_JWT_ISSUERS']), /idp\.example\.com\/a/);
  });

  const refused: readonly (readonly [string, string | object, RegExp])[] = [
    ['without TLS', 'http://idp.example.com', /https:/],
    ['no JSON', '[{', /JSON list/],
    ['shared secrets', { algorithms: ['HS256'] }, /algorithms/],
    ['no algorithm', { algorithms: ['none'] }, /algorithms/],
    ['a mistyped member', { audiance: 'x' }, /audiance/],
    ['two tenants', { tenant: 'a', tenantClaim: 'b' }, /exclude/],
    ['roles without a claim', { roles: { ops: 'admin' } }, /rolesClaim/],
    ['a role without a name', { rolesClaim: 'r', roles: { ops: '' } }, /roles/],
  ];
  for (const [what, given, expected] of refused) {
    it(`are refused with ${what}`, () => {
      const text =
        typeof given === 'string' ? given : JSON.stringify([{ issuer: 'https://a.example', ...given }]);
      assert.match(problem({ ...JWT, DRAGON_JWT_ISSUERS: text }), expected);
    });
  }

  it('are several only where nobody can become a user of another', () => {
    const both = 'https://a.example,https://b.example';
    assert.match(problem({ ...JWT, DRAGON_JWT_ISSUERS: both }), /neither tenant nor tenantClaim/);
    assert.match(problem({ ...JWT, DRAGON_JWT_ISSUERS: 'https://a.example,https://a.example' }), /twice/);
  });
});

describe('addresses of a proxy', () => {
  it('are addresses and ranges', () => {
    const { proxyAddresses } = load({ DRAGON_AUTH: 'proxy', DRAGON_PROXY_ADDRESSES: '10.0.0.0/8, ::1' });
    const check = (address: string, family: 'ipv4' | 'ipv6') => proxyAddresses?.list.check(address, family);
    assert.deepEqual(
      [check('10.1.2.3', 'ipv4'), check('::ffff:10.1.2.3', 'ipv6'), check('::1', 'ipv6')],
      [true, true, true],
    );
    assert.deepEqual([check('11.0.0.1', 'ipv4'), check('::2', 'ipv6')], [false, false]);
  });

  for (const text of ['10.0.0.0/33', 'proxy.example', '10.0.0.0/', '::1/129', '*']) {
    it(`are not ${text}`, () => {
      assert.match(problem({ DRAGON_AUTH: 'proxy', DRAGON_PROXY_ADDRESSES: text }), /ranges such as/);
    });
  }
});
