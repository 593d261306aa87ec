/**
 * A chat server, as an application: nicknames, rooms, private messages, limits on line length and rate.
 *
 *     npx tsx twistd.ts --service docs/examples/chat.ts      # then, elsewhere: nc localhost 6667
 *
 * CHAT_PORT and CHAT_INTERFACE say where it listens (6667 on 127.0.0.1).
 */
import {
  type Address,
  Application,
  Deferred,
  Factory,
  LineReceiver,
  type ReactorTime,
  reactor,
  Service,
  TCPServer,
} from '../../src/index.ts';

/** How many may be there at once; who comes then is turned away. */
const MOST = 1000;
/** Lines a client may send at once, and lines per second after that. Whoever is quicker is kept waiting; nothing is lost. */
const BURST = 200;
const RATE = 50;
const NAME = /^[A-Za-z][\w-]{0,19}$/;
const LOBBY = 'lobby';

class Chat extends LineReceiver<ChatFactory> {
  override delimiter = '\n';
  override MAX_LENGTH = 512;
  nick = '';
  room = LOBBY;
  #tokens = BURST;
  #filledAt = 0;

  override connectionMade(): void {
    this.#filledAt = this.factory.clock.seconds();
    // More than the transport holds (64 KiB) is unread: whoever does not listen is shown the door, before he fills the memory.
    const door = { pauseProducing: () => this.transport.abortConnection() };
    this.transport.registerProducer({ ...door, resumeProducing() {}, stopProducing() {} }, true);
    this.nick = this.factory.newNick();
    this.factory.enter(this);
    this.sendLine(`* Welcome! You are ${this.nick} in ${LOBBY}. Try /help`);
    this.factory.tell(this, `* ${this.nick} came in`);
  }

  override connectionLost(): void {
    this.factory.leave(this);
    this.factory.tell(this, `* ${this.nick} is gone`);
  }

  override lineReceived(bytes: Buffer): void {
    this.#payForLine();
    // telnet ends lines with CR LF; and nobody's terminal shall be played tricks on.
    const line = bytes.toString().replace(/\p{Cc}/gu, '');
    const [command = '', ...words] = line.split(' ');
    if (!command.startsWith('/')) {
      if (line !== '') this.factory.tell(this, `<${this.nick}> ${line}`);
      return;
    }
    const run = COMMANDS.get(command);
    if (run === undefined) this.sendLine(`* There is no ${command}: try /help`);
    else run(this, words);
  }

  override lineLengthExceeded(): void {
    this.dismiss(`* Lines end after ${this.MAX_LENGTH} bytes: goodbye`);
  }

  /** Says a last word, and closes when it has left. */
  dismiss(word: string): void {
    this.transport.unregisterProducer();
    this.sendLine(word);
    this.transport.loseConnection();
  }

  /** Takes a token from the bucket; when it is empty, nothing more is read until there is one again. */
  #payForLine(): void {
    const { clock } = this.factory;
    const now = clock.seconds();
    this.#tokens = Math.min(BURST, this.#tokens + (now - this.#filledAt) * RATE) - 1;
    this.#filledAt = now;
    if (this.#tokens >= 0) return;
    this.pauseProducing();
    clock.callLater(-this.#tokens / RATE, () => this.resumeProducing());
  }
}

const COMMANDS = new Map<string, (chat: Chat, words: string[]) => void>([
  [
    '/help',
    (chat) => chat.sendLine('* /nick NAME, /join ROOM, /msg NICK TEXT, /who, /rooms, /quit'),
  ],
  ['/nick', (chat, [name = '']) => chat.factory.rename(chat, name)],
  ['/join', (chat, [room = '']) => chat.factory.join(chat, room)],
  ['/msg', (chat, [nick = '', ...text]) => chat.factory.whisper(chat, nick, text.join(' '))],
  ['/who', (chat) => chat.sendLine(`* Here: ${chat.factory.present(chat.room).join(', ')}`)],
  ['/rooms', (chat) => chat.sendLine(`* Rooms: ${chat.factory.rooms().join(', ')}`)],
  ['/quit', (chat) => chat.dismiss('* Goodbye')],
]);

/** Who is there and where. It is what the connections share. */
export class ChatFactory extends Factory<Chat> {
  override protocol = Chat;
  /** What the rate of lines is measured by. */
  clock: ReactorTime = reactor;
  readonly #byNick = new Map<string, Chat>();
  readonly #byRoom = new Map<string, Set<Chat>>();
  #guests = 0;
  #whenEmpty: Deferred<void> | undefined;

  override buildProtocol(address: Address): Chat | null {
    return this.#byNick.size < MOST ? super.buildProtocol(address) : null;
  }

  newNick(): string {
    do this.#guests += 1;
    while (this.#byNick.has(`guest${this.#guests}`));
    return `guest${this.#guests}`;
  }

  enter(chat: Chat): void {
    this.#byNick.set(chat.nick, chat);
    const room = this.#byRoom.get(chat.room) ?? new Set();
    this.#byRoom.set(chat.room, room.add(chat));
  }

  leave(chat: Chat): void {
    this.#byNick.delete(chat.nick);
    const room = this.#byRoom.get(chat.room);
    room?.delete(chat);
    if (room?.size === 0) this.#byRoom.delete(chat.room);
    if (this.#byNick.size === 0) this.#whenEmpty?.callback(undefined);
  }

  /** Sends a line to everyone else in the room. */
  tell(from: Chat, line: string): void {
    for (const chat of this.#byRoom.get(from.room) ?? []) {
      if (chat !== from) chat.sendLine(line);
    }
  }

  whisper(from: Chat, nick: string, text: string): void {
    const to = this.#byNick.get(nick);
    if (to === undefined) from.sendLine(`* There is nobody called ${nick}`);
    else if (text !== '') to.sendLine(`[${from.nick}] ${text}`);
  }

  rename(chat: Chat, nick: string): void {
    if (!NAME.test(nick)) {
      chat.sendLine(`* ${nick} will not do: letters, digits, - and _`);
    } else if (this.#byNick.has(nick)) {
      chat.sendLine(`* ${nick} is taken`);
    } else {
      const before = chat.nick;
      this.leave(chat);
      chat.nick = nick;
      this.enter(chat);
      chat.sendLine(`* You are ${nick} now`);
      this.tell(chat, `* ${before} is ${nick} now`);
    }
  }

  join(chat: Chat, room: string): void {
    if (!NAME.test(room)) {
      chat.sendLine(`* ${room} will not do: letters, digits, - and _`);
    } else if (room === chat.room) {
      chat.sendLine(`* You are in ${room} already`);
    } else {
      this.tell(chat, `* ${chat.nick} went to ${room}`);
      this.leave(chat);
      chat.room = room;
      this.enter(chat);
      chat.sendLine(`* You are in ${room} with ${this.present(room).length - 1} others`);
      this.tell(chat, `* ${chat.nick} came in`);
    }
  }

  present(room: string): string[] {
    return [...(this.#byRoom.get(room) ?? [])].map((chat) => chat.nick);
  }

  rooms(): string[] {
    return [...this.#byRoom.keys()];
  }

  /** Says goodbye to everyone; fires when all are gone. */
  dismiss(): Deferred<void> {
    const empty = new Deferred<void>();
    this.#whenEmpty = empty;
    for (const chat of this.#byNick.values()) chat.dismiss('* The server is closing: goodbye');
    if (this.#byNick.size === 0) empty.callback(undefined);
    return empty;
  }
}

/** Sees that nobody is cut off in mid-sentence when the application stops. */
class Farewell extends Service {
  readonly #factory: ChatFactory;

  constructor(factory: ChatFactory) {
    super();
    this.#factory = factory;
  }

  override stopService(): Deferred<unknown> {
    super.stopService();
    return this.#factory.dismiss();
  }
}

const factory = new ChatFactory();

export const application = Application('chat');
new Farewell(factory).setServiceParent(application);
new TCPServer(Number(process.env['CHAT_PORT'] ?? 6667), factory, {
  interface: process.env['CHAT_INTERFACE'] ?? '127.0.0.1',
}).setServiceParent(application);
