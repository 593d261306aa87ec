import { AsyncChat, Dispatcher, type StreamSocket } from '../../src/protocols/asyncore/index.ts';

/** Somebody in the room: the first line is the name, what follows is said to all. */
class Guest extends AsyncChat {
  readonly #room: ChatRoom;
  name = '';

  constructor(socket: StreamSocket, room: ChatRoom) {
    super(socket);
    this.#room = room;
    this.maxIncoming = 1000;
    this.setTerminator('\n');
    this.push('Who are you?\n');
  }

  override collectIncomingData(data: Buffer): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const line = this._getData().toString().trim();
    if (this.name !== '') {
      this.#room.say(`${this.name}: ${line}`);
    } else if (line !== '') {
      this.name = line;
      this.#room.guests.add(this);
      this.#room.say(`${line} comes in`);
    }
  }

  override handleClose(): void {
    this.close();
    if (this.#room.guests.delete(this)) this.#room.say(`${this.name} leaves`);
  }
}

export class ChatRoom extends Dispatcher {
  readonly guests = new Set<Guest>();

  open(port: number): void {
    this.createSocket();
    this.bind(['127.0.0.1', port]);
    this.listen();
  }

  say(line: string): void {
    for (const guest of this.guests) guest.push(`${line}\n`);
  }

  override handleAccepted(socket: StreamSocket): void {
    new Guest(socket, this);
  }

  override handleClose(): void {
    this.close();
    for (const guest of this.guests) guest.close();
  }
}
