import { expect } from 'chai';
import fc from 'fast-check';
import { connectionDone } from '../../src/protocols/index.ts';
import { Relay, type RelayOptions } from '../../src/protocols/relay.ts';
import { FarProtocol } from '../../src/protocols/socks/opening.ts';
import {
  Clock,
  ConnectionDone,
  ConnectionLost,
  connectTransports,
  FakeTransport,
  type IOPump,
} from '../../src/reactor/index.ts';
import { HalfCloseRecorder } from '../support/recorder.ts';

/** A peer on either side, and the relay between them. */
class World {
  readonly clock = new Clock();
  readonly left = new HalfCloseRecorder();
  readonly right = new HalfCloseRecorder();
  readonly relay: Relay;
  readonly closed: Relay[] = [];
  readonly #pumps: IOPump[];

  constructor(options: RelayOptions = {}) {
    const near = [new FarProtocol(() => {}), new FarProtocol(() => {})] as const;
    this.#pumps = [this.left, this.right].map((peer, i) =>
      connectTransports(
        near[i === 0 ? 0 : 1],
        new FakeTransport(true),
        peer,
        new FakeTransport(false),
      ),
    );
    const [first, second] = near;
    this.relay = new Relay(first.transport, second.transport, {
      clock: this.clock,
      closed: (relay) => this.closed.push(relay),
      ...options,
    });
    first.end = this.relay.first;
    second.end = this.relay.second;
  }

  pump(): void {
    while (this.#pumps.map((pump) => pump.pump()).includes(true)) {
      // pump is the body.
    }
  }
}

describe('Relay', () => {
  it('passes bytes on, both ways, and counts them', () => {
    const world = new World();
    world.left.transport.write('request');
    world.right.transport.write('a greeting');
    world.pump();
    expect(world.right.received.toString()).to.equal('request');
    expect(world.left.received.toString()).to.equal('a greeting');
    expect([world.relay.first.bytes, world.relay.second.bytes, world.relay.bytes]).to.deep.equal([
      7, 10, 17,
    ]);
    expect(world.relay.first.other).to.equal(world.relay.second);
  });

  it('passes the end of one direction on, and the other direction goes on', () => {
    const world = new World();
    world.left.transport.write('all of it');
    world.left.transport.loseWriteConnection();
    world.pump();
    expect(world.right.received.toString()).to.equal('all of it');
    expect(world.right.calls.at(-1)).to.equal('readLost');
    expect(world.left.lost).to.equal(false);
    world.right.transport.write('the answer');
    world.right.transport.loseWriteConnection();
    world.pump();
    expect(world.left.received.toString()).to.equal('the answer');
    for (const peer of [world.left, world.right])
      expect(peer.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    expect(world.closed).to.deep.equal([world.relay]);
    expect(world.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('closes one connection in good order, behind the last byte, when the other is closed so', () => {
    const world = new World();
    world.left.transport.write(Buffer.alloc(300_000));
    world.left.transport.loseConnection();
    world.pump();
    expect(world.right.bytes).to.equal(300_000);
    world.right.transport.loseConnection();
    world.pump();
    expect(world.right.reason?.check(ConnectionDone)).to.equal(ConnectionDone);
    expect(world.closed).to.have.length(1);
  });

  it('aborts one connection when the other breaks', () => {
    const world = new World();
    world.left.transport.write('cut o');
    world.pump();
    world.left.transport.abortConnection();
    world.pump();
    expect(world.right.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
    expect(world.closed).to.have.length(1);
    expect(world.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('slows a sender down to what the receiver takes', () => {
    const world = new World();
    world.right.transport.pauseProducing();
    let written = 0;
    world.left.transport.registerProducer(
      {
        resumeProducing(): void {
          if (written >= 4_000_000) return;
          world.left.transport.write(Buffer.alloc(10_000));
          written += 10_000;
        },
        stopProducing(): void {},
      },
      false,
    );
    world.pump();
    expect(written).to.be.below(800_000);
    expect(world.relay.first.bytes).to.be.below(500_000);
    world.right.transport.resumeProducing();
    world.pump();
    expect(written).to.equal(4_000_000);
    expect(world.right.bytes).to.equal(4_000_000);
  });

  it('aborts both when nothing came for as long as they may be idle, and not before', () => {
    const world = new World({ idleTimeout: 10 });
    world.clock.advance(9);
    world.right.transport.write('x');
    world.pump();
    world.clock.advance(9);
    expect(world.clock.getDelayedCalls()).to.have.length(1);
    world.left.transport.write('y');
    world.pump();
    world.clock.advance(9.5);
    world.pump();
    expect(world.left.lost).to.equal(false);
    world.clock.advance(0.5);
    world.pump();
    expect([world.left.lost, world.right.lost]).to.deep.equal([true, true]);
    expect(world.closed).to.have.length(1);
    expect(world.clock.getDelayedCalls()).to.deep.equal([]);
  });

  it('takes what leaves for life as well as what comes', () => {
    const world = new World({ idleTimeout: 10 });
    world.right.transport.pauseProducing();
    world.left.transport.write(Buffer.alloc(1_000_000));
    world.pump();
    world.clock.advance(9);
    // The peer takes all that waits for it, and nothing more comes.
    world.right.transport.resumeProducing();
    world.relay.first.pauseProducing();
    world.relay.first.resumeProducing();
    world.clock.advance(9);
    world.pump();
    expect(world.left.lost).to.equal(false);
  });

  it('has no timer when idleTimeout is null', () => {
    expect(new World({ idleTimeout: null }).clock.getDelayedCalls()).to.deep.equal([]);
    expect(new World().clock.getDelayedCalls().map((call) => call.getTime())).to.deep.equal([7440]);
  });

  it('aborts a connection that does not take what is left for it within closeTimeout', () => {
    const world = new World({ closeTimeout: 5 });
    world.right.transport.pauseProducing();
    world.left.transport.write(Buffer.alloc(150_000));
    world.pump();
    world.relay.first.connectionLost(connectionDone);
    world.pump();
    expect(world.right.lost).to.equal(false);
    expect(world.clock.getDelayedCalls().map((call) => call.getTime())).to.deep.equal([5]);
    world.clock.advance(5);
    world.pump();
    expect(world.right.reason?.check(ConnectionLost)).to.equal(ConnectionLost);
  });

  it('ends both on abort()', () => {
    const world = new World();
    world.relay.abort();
    world.pump();
    expect([world.left.lost, world.right.lost, world.closed.length]).to.deep.equal([true, true, 1]);
  });

  it('hands over every byte whatever is sent when', () => {
    const step = fc.record({
      side: fc.constantFrom('left' as const, 'right' as const),
      what: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 1, max: 100_000 }) },
        {
          weight: 2,
          arbitrary: fc.constantFrom('pause' as const, 'resume' as const, 'pump' as const),
        },
      ),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const world = new World();
        const sent = { left: 0, right: 0 };
        for (const { side, what } of steps) {
          const { transport } = world[side];
          if (what === 'pause') transport.pauseProducing();
          else if (what === 'resume') transport.resumeProducing();
          else if (what === 'pump') world.pump();
          else {
            transport.write(Buffer.alloc(what, side));
            sent[side] += what;
          }
        }
        for (const peer of [world.left, world.right]) {
          peer.transport.resumeProducing();
          peer.transport.loseWriteConnection();
        }
        world.pump();
        expect(world.right.bytes).to.equal(sent.left);
        expect(world.left.bytes).to.equal(sent.right);
        expect(world.closed).to.have.length(1);
      }),
      { numRuns: 60 },
    );
  });
});
