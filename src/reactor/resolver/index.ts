/** Resolvers: where the addresses of names come from. */
export { DNSResolver, type DNSResolverOptions } from './dns-resolver.ts';
export { HostsResolver, type HostsResolverOptions } from './hosts-resolver.ts';
export {
  type AddressOrder,
  type AddressType,
  type CancelLookUp,
  ResolverBase,
  type ResolverOptions,
} from './resolver-base.ts';
export { SystemResolver } from './system-resolver.ts';
