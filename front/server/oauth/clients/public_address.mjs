// Which IP addresses are on the public Internet. A document that a stranger names is fetched from those only, so that
// nobody can use the hub to reach machines behind it (SSRF). Pure. IANA special-purpose address registries, RFC 6890.

import { BlockList, isIP } from 'node:net';

const SPECIAL = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4'],
];
/** Within 2000::/3, which has all public IPv6 addresses: special ones, and those that contain an IPv4 address. */
const SPECIAL_6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '3ffe::/16', '5f00::/16'];

const special = listOf(SPECIAL);
const special6 = listOf(SPECIAL_6);
const global6 = listOf(['2000::/3']);
const loopback = listOf(['127.0.0.0/8', '::1/128']);

/** Return whether an address is public. @param {string} address */
export function isPublic(address) {
  if (isIP(address) === 4) return !special.check(address, 'ipv4');
  // Addresses that embed an IPv4 address (mapped, NAT64, 6to4, Teredo) are outside of 2000::/3, or special in it.
  return isIP(address) === 6 && global6.check(address, 'ipv6') && !special6.check(address, 'ipv6');
}

/** Return whether an address is of the loopback interface. @param {string} address */
export const isLoopback = (address) =>
  isIP(address) !== 0 && loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** @param {readonly string[]} networks */
function listOf(networks) {
  const list = new BlockList();
  for (const network of networks) {
    const [base, bits] = network.split('/');
    list.addSubnet(base, Number(bits), isIP(base) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
