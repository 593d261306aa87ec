import {
  defineOptions,
  Factory,
  Protocol,
  type Service,
  TCPServer,
  UsageError,
} from '../../src/index.ts';

/** Says its message to everybody who connects, and hangs up. */
class Message extends Protocol<MessageFactory> {
  override connectionMade(): void {
    this.transport.write(`${this.factory.text}\n`);
    this.transport.loseConnection();
  }
}

class MessageFactory extends Factory<Message> {
  override protocol = Message;
  readonly text: string;

  constructor(text: string) {
    super();
    this.text = text;
  }
}

export const Options = defineOptions(
  {
    port: { type: 'port', short: 'p', default: 8017, description: 'TCP port to listen on' },
    interface: {
      type: 'string',
      value: 'ADDRESS',
      default: '',
      description: 'address to listen on',
    },
    text: { type: 'string', required: true, description: 'what to say' },
    shout: { type: 'flag', description: 'say it in capitals' },
  },
  {
    description: 'Says one thing to everybody.',
    check({ text }) {
      if (text.includes('\n')) throw new UsageError('The text of --text must be one line');
    },
  },
);

/** Makes what twistd runs. */
export function makeService(options: InstanceType<typeof Options>): Service {
  const { port, text, shout } = options;
  const factory = new MessageFactory(shout ? text.toUpperCase() : text);
  return new TCPServer(port, factory, { interface: options.interface });
}
