import assert from 'node:assert/strict';
import type { NetworkInterfaceInfo } from 'node:os';
import { describe, it } from 'node:test';
import { advertisedAddress } from './advertised-address.ts';

const v4 = (address: string, internal = false): NetworkInterfaceInfo => ({
  address,
  internal,
  family: 'IPv4',
  netmask: '255.255.255.0',
  mac: '00:00:00:00:00:00',
  cidr: null,
});
const v6 = (address: string, internal = false): NetworkInterfaceInfo => ({
  address,
  internal,
  family: 'IPv6',
  netmask: 'ffff::',
  mac: '00:00:00:00:00:00',
  cidr: null,
  scopeid: 0,
});

const interfaces = {
  lo: [v4('127.0.0.1', true), v6('::1', true)],
  eth0: [v6('fe80::1'), v6('2001:db8::5'), v4('169.254.0.9'), v4('10.0.0.5')],
  eth1: [v4('10.1.0.5')],
};

const at = (host: string, advertised?: string, some: Record<string, NetworkInterfaceInfo[]> = interfaces) =>
  advertisedAddress({ advertised, host, port: 8081, interfaces: some });

describe('the address that others are told', () => {
  it('is the one that is listened on', () => {
    assert.equal(at('127.0.0.1'), '127.0.0.1:8081');
    assert.equal(at('gateway-1'), 'gateway-1:8081');
    assert.equal(at('::1'), '[::1]:8081');
  });

  it('is the first that others can reach where all are listened on', () => {
    assert.equal(at('0.0.0.0'), '10.0.0.5:8081');
    assert.equal(at('::'), '10.0.0.5:8081');
    assert.equal(at('0:0:0:0:0:0:0:0'), '10.0.0.5:8081');
    assert.equal(at('::', undefined, { eth0: [v6('fe80::1'), v6('2001:db8::5')] }), '[2001:db8::5]:8081');
    assert.equal(at('0.0.0.0', undefined, { eth0: [v6('2001:db8::5')] }), '0.0.0.0:8081');
  });

  it('is the one that was configured, which may have a port of its own', () => {
    assert.equal(at('0.0.0.0', 'gateway-1.internal'), 'gateway-1.internal:8081');
    assert.equal(at('0.0.0.0', '203.0.113.1:9000'), '203.0.113.1:9000');
    assert.equal(at('0.0.0.0', '[2001:db8::7]'), '[2001:db8::7]:8081');
    assert.equal(at('0.0.0.0', '[2001:db8::7]:9000'), '[2001:db8::7]:9000');
  });
});
