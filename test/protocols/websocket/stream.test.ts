import { expect } from 'chai';
import { firstValueFrom, of, Subject, throwError, toArray } from 'rxjs';
import { Failure } from '../../../src/deferred/index.ts';
import {
  observeMessages,
  sendFrom,
  WebSocketClosed,
  WebSocketLost,
  type WebSocketMessage,
  WebSocketStream,
  type WebSocketTransport,
} from '../../../src/protocols/websocket/index.ts';

class FakeTransport {
  readonly calls: unknown[] = [];
  connected = true;
  disconnecting = false;
  sendMessage(data: unknown): void {
    this.calls.push(data);
  }
  close(code = 1000): void {
    this.disconnecting = true;
    this.calls.push(`close ${code}`);
  }
  pauseProducing(): void {
    this.calls.push('pause');
  }
  resumeProducing(): void {
    this.calls.push('resume');
  }
}

function connected(): [WebSocketStream, FakeTransport] {
  const stream = new WebSocketStream();
  const transport = new FakeTransport();
  stream.transport = transport as unknown as WebSocketTransport; // all of it that is used
  return [stream, transport];
}

const CLOSED = new Failure(new WebSocketClosed(1000, '', true));

describe('WebSocketStream', () => {
  it('gives texts as text and bytes as bytes, and ends with the goodbye', async () => {
    const [stream] = connected();
    stream.messageReceived(Buffer.from('a'), false);
    stream.messageReceived(Buffer.from('b'), true);
    const iterator = stream[Symbol.asyncIterator]();
    expect((await iterator.next()).value).to.equal('a');
    expect((await iterator.next()).value).to.deep.equal(Buffer.from('b'));
    const third = iterator.next();
    const fourth = iterator.next();
    stream.messageReceived(Buffer.from('c'), false);
    stream.connectionLost(CLOSED);
    expect((await third).value).to.equal('c');
    expect((await fourth).done).to.equal(true);
    expect((await iterator.next()).done).to.equal(true);
  });

  it('throws what the connection was lost by, once, after what came before', async () => {
    const [stream] = connected();
    stream.messageReceived(Buffer.from('a'), false);
    stream.connectionLost(new Failure(new WebSocketLost('gone')));
    const got: WebSocketMessage[] = [];
    let thrown: unknown;
    try {
      for await (const message of stream) got.push(message);
    } catch (error) {
      thrown = error;
    }
    expect(got).to.deep.equal(['a']);
    const [other] = connected();
    const iterator = other[Symbol.asyncIterator]();
    const [first, second] = [iterator.next(), iterator.next()];
    other.connectionLost(new Failure(new WebSocketLost('gone')));
    expect(await first.catch((error: Error) => error.message)).to.equal('gone');
    expect((await second).done).to.equal(true);
    expect((await iterator.next()).done).to.equal(true);
    expect(thrown).to.be.instanceOf(WebSocketLost);
  });

  it('has the peer wait while 64 KiB wait for whoever iterates', async () => {
    const [stream, transport] = connected();
    for (let n = 0; n < 7; n += 1) stream.messageReceived(Buffer.alloc(10_000), true);
    expect(transport.calls).to.deep.equal(['pause']);
    const iterator = stream[Symbol.asyncIterator]();
    for (let n = 0; n < 6; n += 1) await iterator.next();
    expect(transport.calls).to.deep.equal(['pause']);
    await iterator.next();
    expect(transport.calls).to.deep.equal(['pause', 'resume']);
  });

  it('counts empty messages, too', () => {
    const [stream, transport] = connected();
    for (let n = 0; n < 2000; n += 1) stream.messageReceived(Buffer.alloc(0), false);
    expect(transport.calls).to.deep.equal(['pause']);
  });

  it('closes the connection when the iteration is left, and can be iterated once', async () => {
    const [stream, transport] = connected();
    stream.messageReceived(Buffer.from('a'), false);
    for await (const _ of stream) break;
    expect(transport.calls).to.deep.equal(['close 1000']);
    expect(() => stream[Symbol.asyncIterator]()).to.throw(TypeError, 'twice');
  });
});

describe('observeMessages()', () => {
  it('emits the messages and completes with the goodbye', async () => {
    const [stream] = connected();
    const all = firstValueFrom(observeMessages(stream).pipe(toArray()));
    stream.messageReceived(Buffer.from('a'), false);
    stream.messageReceived(Buffer.from('b'), false);
    stream.connectionLost(CLOSED);
    expect(await all).to.deep.equal(['a', 'b']);
  });

  it('fails with what the connection was lost by', async () => {
    const [stream] = connected();
    const all = firstValueFrom(observeMessages(stream).pipe(toArray())).catch((error) => error);
    stream.connectionLost(new Failure(new WebSocketLost('gone')));
    expect(await all).to.be.instanceOf(WebSocketLost);
  });
});

describe('sendFrom()', () => {
  it('sends what is emitted, and says goodbye in the end', () => {
    const [{ transport }, fake] = connected();
    sendFrom(transport, of('a', Buffer.from('b')));
    expect(fake.calls).to.deep.equal(['a', Buffer.from('b'), 'close 1000']);
    const [failing, other] = connected();
    sendFrom(
      failing.transport,
      throwError(() => new Error('no')),
    );
    expect(other.calls).to.deep.equal(['close 1011']);
  });

  it('unsubscribes once the connection is over', async () => {
    const [{ transport }, fake] = connected();
    const source = new Subject<string>();
    sendFrom(transport, source);
    source.next('a');
    fake.connected = false;
    source.next('b');
    await Promise.resolve();
    expect(source.observed).to.equal(false);
    expect(fake.calls).to.deep.equal(['a']);
  });
});
