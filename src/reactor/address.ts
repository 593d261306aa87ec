/** Addresses as values (Twisted: `twisted.internet.address`). Compare with `equals`; `toString()` serves as a map key. */

/** Transport that an IP address belongs to. */
export type IPTransportType = 'TCP' | 'UDP';

/** Any address that a transport or port may report. */
export type Address = IPv4Address | IPv6Address | UNIXAddress | HostnameAddress;

function checkIP(type: string, host: unknown, port: unknown): void {
  if (type !== 'TCP' && type !== 'UDP') {
    throw new TypeError(`Cannot make an address of type ${String(type)}: expected 'TCP' or 'UDP'`);
  }
  if (typeof host !== 'string' || typeof port !== 'number') {
    throw new TypeError(`Cannot make an address from ${String(host)}, ${String(port)}`);
  }
}

/** An IPv4 address and port. */
export class IPv4Address {
  /** 'TCP' or 'UDP'. */
  readonly type: IPTransportType;
  /** The address, as text. */
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;

  constructor(type: IPTransportType, host: string, port: number) {
    checkIP(type, host, port);
    this.type = type;
    this.host = host;
    this.port = port;
  }

  /** Whether `other` is an address of the same class with the same values. */
  equals(other: unknown): boolean {
    return (
      other instanceof IPv4Address &&
      other.type === this.type &&
      other.host === this.host &&
      other.port === this.port
    );
  }

  toString(): string {
    return `IPv4Address(${this.type}, '${this.host}', ${this.port})`;
  }
}

/** An IPv6 address and port. `flowInfo` and `scopeID` are 0 where they say nothing; a zone may also stand in `host` (`fe80::1%eth0`). */
export class IPv6Address {
  /** 'TCP' or 'UDP'. */
  readonly type: IPTransportType;
  /** The address, as text. */
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
  /** The flow label (RFC 3493). */
  readonly flowInfo: number;
  /** The zone: the number or name of an interface; 0 for none. */
  readonly scopeID: number | string;

  constructor(
    type: IPTransportType,
    host: string,
    port: number,
    flowInfo: number = 0,
    scopeID: number | string = 0,
  ) {
    checkIP(type, host, port);
    this.type = type;
    this.host = host;
    this.port = port;
    this.flowInfo = flowInfo;
    this.scopeID = scopeID;
  }

  /** Whether `other` is an address of the same class with the same values. */
  equals(other: unknown): boolean {
    return (
      other instanceof IPv6Address &&
      other.type === this.type &&
      other.host === this.host &&
      other.port === this.port &&
      other.flowInfo === this.flowInfo &&
      other.scopeID === this.scopeID
    );
  }

  toString(): string {
    return `IPv6Address(${this.type}, '${this.host}', ${this.port}, ${this.flowInfo}, ${this.scopeID})`;
  }
}

/** A UNIX socket's path; a name that starts with NUL is in Linux's abstract namespace; null is a socket without a name. */
export class UNIXAddress {
  /** The path; null for a socket that has none. */
  readonly name: string | null;

  constructor(name: string | null) {
    if (name !== null && typeof name !== 'string') {
      throw new TypeError(`Cannot make a UNIX address from ${String(name)}`);
    }
    this.name = name;
  }

  /** Two sockets without a name are never the same. */
  equals(other: unknown): boolean {
    return (
      this === other ||
      (other instanceof UNIXAddress && this.name !== null && other.name === this.name)
    );
  }

  toString(): string {
    return `UNIXAddress(${this.name === null ? 'null' : JSON.stringify(this.name)})`;
  }
}

/** A host by name that has not been looked up, and a port. */
export class HostnameAddress {
  /** The name, as it was given. */
  readonly hostname: string;
  /** 0 to 65535. */
  readonly port: number;

  constructor(hostname: string, port: number) {
    if (typeof hostname !== 'string' || typeof port !== 'number') {
      throw new TypeError(`Cannot make an address from ${String(hostname)}, ${String(port)}`);
    }
    this.hostname = hostname;
    this.port = port;
  }

  /** Whether `other` has the same name and port. */
  equals(other: unknown): boolean {
    return (
      other instanceof HostnameAddress &&
      other.hostname === this.hostname &&
      other.port === this.port
    );
  }

  toString(): string {
    return `HostnameAddress('${this.hostname}', ${this.port})`;
  }
}
