import { isIP } from 'node:net';

/** What an address is of: where connections to it end. Undefined stands for the public Internet. */
export type AddressClass =
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'metadata'
  | 'unspecified'
  | 'multicast'
  | 'broadcast'
  | 'shared'
  | 'reserved';

/** The bytes of an IP address, 4 or 16; undefined for what is none. A zone (`%eth0`) is left out. */
export function bytesOf(text: string): readonly number[] | undefined {
  const address = text.replace(/%.*$/s, '');
  const family = isIP(address);
  if (family === 4) return address.split('.').map(Number);
  return family === 6 ? bytesOfV6(address) : undefined;
}

function bytesOfV6(address: string): readonly number[] {
  const [head = '', tail] = address.split('::');
  const front = groups(head);
  if (tail === undefined) return front;
  const back = groups(tail);
  return [...front, ...new Array<number>(16 - front.length - back.length).fill(0), ...back];
}

function groups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

/** Whether the first bits of an address are those of another of its family. */
export function startsAlike(address: readonly number[], prefix: readonly number[], bits: number): boolean {
  if (address.length !== prefix.length) return false;
  const whole = bits >> 3;
  for (let index = 0; index < whole; index++) if (address[index] !== prefix[index]) return false;
  const mask = (0xff00 >> (bits & 7)) & 0xff;
  return mask === 0 || ((address[whole] ?? 0) & mask) === ((prefix[whole] ?? 0) & mask);
}

interface Range {
  readonly bytes: readonly number[];
  readonly bits: number;
}

function range(text: string): Range {
  const [address = '', bits = ''] = text.split('/');
  const bytes = bytesOf(address);
  if (bytes === undefined) throw new TypeError(`${text} is no range of addresses`);
  return { bytes, bits: bits === '' ? bytes.length * 8 : Number(bits) };
}

/** Where clouds tell machines their credentials. */
const METADATA = [
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
];

/** From https://www.iana.org/assignments/iana-ipv4-special-registry and its twin for IPv6. The first that fits counts. */
const CLASSES: readonly (readonly [AddressClass, Range])[] = (
  [
    ['metadata', METADATA],
    ['loopback', ['127.0.0.0/8', '::1']],
    ['unspecified', ['0.0.0.0/8', '::']],
    ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
    ['link-local', ['169.254.0.0/16', 'fe80::/10']],
    ['shared', ['100.64.0.0/10']],
    ['multicast', ['224.0.0.0/4', 'ff00::/8']],
    ['broadcast', ['255.255.255.255']],
    ['reserved', ['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24']],
    ['reserved', ['203.0.113.0/24', '240.0.0.0/4', '::/96', '64:ff9b:1::/48', '100::/64', '100:0:0:1::/64']],
    ['reserved', ['2001::/23', '2001:db8::/32', '3fff::/20', '5f00::/16', 'fec0::/10']],
  ] as const
).flatMap(([name, texts]) => texts.map((text) => [name, range(text)] as const));

const MAPPED = range('::ffff:0:0/96');
/** Ranges of IPv6 that lead to an IPv4 address, and the byte at which that begins: mapped, translated, NAT64, 6to4. */
const CARRIERS: readonly (readonly [Range, number])[] = [
  [MAPPED, 12],
  [range('::ffff:0:0:0/96'), 12],
  [range('64:ff9b::/96'), 12],
  [range('2002::/16'), 2],
];
const COMPATIBLE = range('::/96');

/** The IPv4 address that an IPv6 address leads to; undefined where it leads to none. */
export function carriedIn(bytes: readonly number[]): readonly number[] | undefined {
  if (bytes.length !== 16) return undefined;
  const carrier = CARRIERS.find(([{ bytes: prefix, bits }]) => startsAlike(bytes, prefix, bits));
  if (carrier !== undefined) return bytes.slice(carrier[1], carrier[1] + 4);
  // Those of the first 2^16 would be 0.0.x.y: among them are :: and ::1, which are something else.
  const isCompatible = startsAlike(bytes, COMPATIBLE.bytes, COMPATIBLE.bits);
  return isCompatible && (bytes[12] !== 0 || bytes[13] !== 0) ? bytes.slice(12) : undefined;
}

/** The class of an address of 4 or 16 bytes; of one that leads to an IPv4 address, the class of that if it has one. */
export function classOf(bytes: readonly number[]): AddressClass | undefined {
  const carried = carriedIn(bytes);
  return (carried && ownClass(carried)) ?? ownClass(bytes);
}

function ownClass(at: readonly number[]): AddressClass | undefined {
  return CLASSES.find(([, { bytes: prefix, bits }]) => startsAlike(at, prefix, bits))?.[0];
}

/** Sockets make no difference between an IPv4 address and this form of it, `::ffff:1.2.3.4`. */
export function isMapped(bytes: readonly number[]): boolean {
  return startsAlike(bytes, MAPPED.bytes, MAPPED.bits);
}
