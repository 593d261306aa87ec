import {
  type IHandshakeListener,
  LineReceiver,
  type TLSContextFactory,
  type TLSTransport,
} from '../../src/index.ts';

/** The server's side: STARTTLS, then the secret for who asks under TLS. */
export class Keeper extends LineReceiver {
  declare transport: TLSTransport;
  readonly #context: TLSContextFactory;

  constructor(context: TLSContextFactory) {
    super();
    this.#context = context;
  }

  override lineReceived(line: Buffer): void {
    const what = line.toString();
    if (what === 'STARTTLS' && !this.transport.TLS) {
      // The last words in clear. All that comes and goes from here on is under TLS.
      this.sendLine('GO AHEAD');
      this.transport.startTLS(this.#context);
    } else if (what === 'SECRET' && this.transport.TLS) this.sendLine('42');
    else this.sendLine('NO');
  }
}

/** The client's side. Nothing secret is said before `handshakeCompleted`: by then it is known who the server is. */
export class Asker extends LineReceiver implements IHandshakeListener {
  declare transport: TLSTransport;
  answer: string | null = null;
  readonly #context: TLSContextFactory;

  constructor(context: TLSContextFactory) {
    super();
    this.#context = context;
  }

  override connectionMade(): void {
    this.sendLine('STARTTLS');
  }

  override lineReceived(line: Buffer): void {
    if (this.transport.TLS) {
      this.answer = line.toString();
      this.transport.loseConnection();
    } else if (line.toString() === 'GO AHEAD') this.transport.startTLS(this.#context);
    else this.transport.abortConnection();
  }

  handshakeCompleted(): void {
    this.sendLine('SECRET');
  }
}
