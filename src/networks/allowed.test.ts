import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { allowing } from '../../test/support/networks.ts';
import { bytesOf } from './address.ts';
import { readAllowedNetworks, refusedClass } from './allowed.ts';

const none = allowing('');
const hostOf = (url: string) => new URL(url).hostname.replace(/^\[|\]$/g, '');
const v4 = (bytes: readonly number[]) => bytes.join('.');
const hex = (bytes: readonly number[]) =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/.{4}(?=.)/g, '$&:');
const byte = fc.integer({ min: 0, max: 255 });
const anyV4 = fc.tuple(byte, byte, byte, byte);

test('addresses are told apart', () => {
  const classes = {
    loopback: [
      '127.0.0.1',
      '127.255.255.255',
      '::1',
      '::ffff:127.0.0.1',
      '64:ff9b::7f00:1',
      '2002:7f00:1::',
      '::127.0.0.1',
    ],
    private: [
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      'fc00::1',
      'fdff::1',
      '::ffff:a00:1',
    ],
    'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fe80::1%eth0', '2002:a9fe:1::1'],
    metadata: [
      '169.254.169.254',
      '100.100.100.200',
      'fd00:ec2::254',
      '::ffff:169.254.169.254',
      '64:ff9b::a9fe:a9fe',
    ],
    unspecified: ['0.0.0.0', '::', '0.1.2.3', '::ffff:0.0.0.0'],
    multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
    broadcast: ['255.255.255.255', '::ffff:255.255.255.255'],
    shared: ['100.64.0.1', '100.127.255.255'],
    reserved: [
      '192.0.2.1',
      '198.18.0.1',
      '198.51.100.1',
      '203.0.113.1',
      '240.0.0.1',
      '2001:db8::1',
      '2001::1',
      '::8.8.8.8',
      'x',
    ],
  };
  for (const [name, addresses] of Object.entries(classes))
    for (const address of addresses) assert.equal(refusedClass(none, address), name, address);
  const open = [
    '8.8.8.8',
    '100.63.255.255',
    '100.128.0.1',
    '172.15.255.255',
    '172.32.0.1',
    '169.253.1.1',
    '2606:4700::1111',
  ];
  for (const address of [...open, '::ffff:8.8.8.8', '64:ff9b::808:808', '2002:808:808::1'])
    assert.equal(refusedClass(none, address), undefined, address);
});

test('oddly written addresses are what they stand for', () => {
  const odd = [
    '0x7f.1',
    '2130706433',
    '127.1',
    '0177.0.0.1',
    '127.0.0.1.',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:0:0:1]',
    '①②⑦.1',
  ];
  for (const host of odd) assert.equal(refusedClass(none, hostOf(`http://${host}/`)), 'loopback', host);
});

test('every form of IPv6 that carries an IPv4 address is of its class', () => {
  fc.assert(
    fc.property(anyV4, (bytes) => {
      const found = refusedClass(none, v4(bytes));
      const forms = [
        `::ffff:${v4(bytes)}`,
        `::ffff:0:${v4(bytes)}`,
        `64:ff9b::${v4(bytes)}`,
        `2002:${hex(bytes)}::1`,
      ];
      for (const form of forms) assert.equal(refusedClass(none, form), found, form);
    }),
  );
});

test('bytes are those of the runtime', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const bytes = bytesOf(text);
      assert.equal(bytes?.length, 16, text);
      assert.equal(hostOf(`http://[${hex(bytes)}]/`), hostOf(`http://[${text}]/`));
    }),
  );
});

test('an address is allowed by its range, and one outside of it is not', () => {
  fc.assert(
    fc.property(byte, byte, byte, fc.integer({ min: 8, max: 31 }), (b, c, d, bits) => {
      const allowed = allowing(`10.${b}.${c}.${d}/${bits}`);
      assert.equal(refusedClass(allowed, `10.${b}.${c}.${d}`), undefined);
      assert.equal(refusedClass(allowed, `::ffff:10.${b}.${c}.${d}`), undefined);
      assert.equal(refusedClass(allowed, `10.${b ^ 128}.${c}.${d}`), bits === 8 ? undefined : 'private');
      for (const form of ['127.0.0.1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'])
        assert.equal(refusedClass(allowed, form), 'loopback', form);
    }),
  );
});

test('words and names allow what they say', () => {
  assert.equal(refusedClass(allowing('loopback'), '::1'), undefined);
  assert.equal(refusedClass(allowing('loopback'), '10.0.0.1'), 'private');
  assert.equal(refusedClass(allowing('private'), 'fd12::1'), undefined);
  assert.equal(refusedClass(allowing('private'), '127.0.0.1'), 'loopback');
  assert.equal(refusedClass(allowing('any'), '0.0.0.0'), undefined);
  assert.equal(refusedClass(allowing('Tools.internal'), '10.0.0.1', 'tools.INTERNAL.'), undefined);
  assert.equal(refusedClass(allowing('tools.internal'), '10.0.0.1', 'other.internal'), 'private');
  assert.equal(refusedClass(allowing('tools.internal'), '10.0.0.1'), 'private');
});

test('what gives out credentials has to be listed by its address', () => {
  for (const text of ['any', 'private', 'metadata.internal', '169.254.0.0/16', '0.0.0.0/0', '::/0'])
    assert.equal(refusedClass(allowing(text), '169.254.169.254', 'metadata.internal'), 'metadata', text);
  for (const text of ['169.254.169.254', '169.254.169.254/32', '::ffff:169.254.169.254'])
    assert.equal(refusedClass(allowing(text), '169.254.169.254'), undefined, text);
});

test('what is no network is not read', () => {
  for (const text of [
    '10.0.0.0/33',
    '10.0.0',
    '0x7f.1',
    '::/129',
    '*.example.com',
    'http://a',
    'a b',
    'a:80',
    'fe80::1%eth0',
  ])
    assert.equal(readAllowedNetworks(text), undefined, text);
  assert.deepEqual(readAllowedNetworks(' Loopback,, [::1]/128 ,a.example')?.texts, [
    'loopback',
    '[::1]/128',
    'a.example',
  ]);
});
