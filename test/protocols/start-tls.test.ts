/** Receivers whose connection goes on under TLS: what came in clear behind the message that asked for it must not count. */
import { expect } from 'chai';
import {
  Int16StringReceiver,
  LineOnlyReceiver,
  LineReceiver,
  NetstringReceiver,
} from '../../src/protocols/index.ts';
import { type LogEvent, StringTransport, setLogObserver } from '../../src/reactor/index.ts';

class SecurableTransport extends StringTransport {
  TLS = false;
}

interface Receiver {
  makeConnection(transport: SecurableTransport): unknown;
  dataReceived(data: Buffer): unknown;
}

const KINDS: ReadonlyArray<
  [
    name: string,
    make: (received: (message: Buffer) => void) => Receiver,
    frame: (text: string) => string,
  ]
> = [
  [
    'LineReceiver',
    (received) =>
      new (class extends LineReceiver {
        override lineReceived = received;
      })(),
    (text) => `${text}\r\n`,
  ],
  [
    'LineOnlyReceiver',
    (received) =>
      new (class extends LineOnlyReceiver {
        override lineReceived = received;
      })(),
    (text) => `${text}\r\n`,
  ],
  [
    'NetstringReceiver',
    (received) =>
      new (class extends NetstringReceiver {
        override stringReceived = received;
      })(),
    (text) => `${text.length}:${text},`,
  ],
  [
    'Int16StringReceiver',
    (received) =>
      new (class extends Int16StringReceiver {
        override stringReceived = received;
      })(),
    (text) => `\0${String.fromCharCode(text.length)}${text}`,
  ],
];

describe('A receiver whose connection goes on under TLS', () => {
  let logged: LogEvent[];
  let previous: ReturnType<typeof setLogObserver>;

  beforeEach(() => {
    logged = [];
    previous = setLogObserver((event) => logged.push(event));
  });

  afterEach(() => {
    setLogObserver(previous);
  });

  for (const [name, make, frame] of KINDS) {
    for (const cut of ['whole', 'byte by byte'] as const) {
      it(`${name} drops what came in clear behind the message that started it (${cut})`, () => {
        const transport = new SecurableTransport();
        const messages: string[] = [];
        const receiver = make((message) => {
          messages.push(message.toString());
          if (message.toString() === 'STARTTLS') transport.TLS = true;
        });
        receiver.makeConnection(transport);
        const feed = (text: string): void => {
          const bytes = Buffer.from(text, 'latin1');
          if (cut === 'whole') receiver.dataReceived(bytes);
          else for (const byte of bytes) receiver.dataReceived(Buffer.of(byte));
        };
        feed(frame('hello'));
        const half = frame('injected too').slice(0, -3);
        // Only what came with it: bytes that come later are TLS's own.
        receiver.dataReceived(
          Buffer.from(`${frame('STARTTLS')}${frame('injected')}${half}`, 'latin1'),
        );
        feed(`${frame('under TLS')}${frame('and on')}`);
        expect(messages).to.deep.equal(['hello', 'STARTTLS', 'under TLS', 'and on']);
        expect(logged.map(({ level, message }) => [level, message])).to.deep.equal([
          [
            'warn',
            `Dropped ${frame('injected').length + half.length} bytes that came in clear after the message that started TLS`,
          ],
        ]);
      });
    }

    it(`${name} drops half a message when TLS starts between two`, () => {
      const transport = new SecurableTransport();
      const messages: string[] = [];
      const receiver = make((message) => messages.push(message.toString()));
      receiver.makeConnection(transport);
      receiver.dataReceived(Buffer.from(frame('half of it').slice(0, -4), 'latin1'));
      transport.TLS = true;
      receiver.dataReceived(Buffer.from(frame('whole'), 'latin1'));
      expect(messages).to.deep.equal(['whole']);
    });
  }
});
