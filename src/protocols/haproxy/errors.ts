/** What can be wrong with a PROXY header (Twisted: `twisted.protocols.haproxy._exceptions`). */

/** What came is not a PROXY header, or one that is broken. */
export class InvalidProxyHeader extends Error {
  static {
    InvalidProxyHeader.prototype.name = 'InvalidProxyHeader';
  }
  readonly code: string = 'ERR_INVALID_PROXY_HEADER';
}

/** The header is of a kind of address, or of a transport, that there is not. */
export class InvalidNetworkProtocol extends InvalidProxyHeader {
  static {
    InvalidNetworkProtocol.prototype.name = 'InvalidNetworkProtocol';
  }
  override readonly code = 'ERR_INVALID_NETWORK_PROTOCOL';
}

/** The header ends before all of the addresses that it announces. */
export class MissingAddressData extends InvalidProxyHeader {
  static {
    MissingAddressData.prototype.name = 'MissingAddressData';
  }
  override readonly code = 'ERR_MISSING_ADDRESS_DATA';
}
