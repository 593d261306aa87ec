import { Application, Factory, LineReceiver, TCPServer, TimeoutMixin } from '../../src/index.ts';

/** Every line is a note; an empty one lists them. Whoever is silent for a minute is let go. */
export class NoteTaker extends TimeoutMixin(LineReceiver) {
  override delimiter = '\n';
  readonly notes: string[];

  constructor(notes: string[]) {
    super();
    this.notes = notes;
  }

  override connectionMade(): void {
    this.setTimeout(60);
  }

  override connectionLost(): void {
    this.setTimeout(null);
  }

  override lineReceived(line: Buffer): void {
    this.resetTimeout();
    const text = line.toString().trim();
    if (text === '') {
      for (const note of this.notes) this.sendLine(note);
    } else {
      this.notes.push(text);
      this.sendLine(`Note ${this.notes.length}`);
    }
  }

  override timeoutConnection(): void {
    this.sendLine('Goodbye');
    this.transport.loseConnection();
  }
}

const notes: string[] = [];
const factory = Factory.forProtocol(NoteTaker, notes);

export const application = Application('notes');
const port = Number(process.env['PORT'] ?? 8007);
new TCPServer(port, factory).setServiceParent(application);
