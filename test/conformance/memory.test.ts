/** The doubles behave as the real thing: the suite of every stream connection, over memory. */
import { expect } from 'chai';
import { ConnectionCompleter, type IOPump, MemoryReactor } from '../../src/reactor/index.ts';
import { type Recorder, RecordingFactory } from '../support/recorder.ts';
import { describeStream, type Pair, type StreamWorld } from './stream.ts';

/** Connections between a port and a connector of a `MemoryReactor`. */
class MemoryWorld implements StreamWorld {
  readonly #reactor = new MemoryReactor();
  readonly #completer = new ConnectionCompleter(this.#reactor);
  readonly #pumps: IOPump[] = [];

  async connect<S extends Recorder, C extends Recorder>(server: S, client: C): Promise<Pair<S, C>> {
    await this.connectTo(() => server, client);
    return { server, client };
  }

  async connectTo(build: () => Recorder | null, client: Recorder): Promise<void> {
    const port = this.#reactor.listenTCP(0, new RecordingFactory(build));
    const number = port.getHost().port;
    this.#reactor.connectTCP('127.0.0.1', number, new RecordingFactory(() => client));
    const pump = this.#completer.succeedOnce({ greet: false });
    if (pump === undefined) throw new Error('Nothing to connect');
    this.#pumps.push(pump);
    await port.stopListening();
  }

  /** One turn of everything; what the test awaits gets its chance before the next. */
  async #turn(): Promise<boolean> {
    const busy = this.#pumps.map((pump) => pump.pump());
    await new Promise((resolve) => setImmediate(resolve));
    return busy.includes(true);
  }

  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = (): void => {
      settled = true;
    };
    promise.then(settle, settle);
    let idle = 0;
    while (!settled && idle < 50) idle = (await this.#turn()) ? 0 : idle + 1;
    if (!settled) throw new Error('Nothing happens any more, and what was waited for has not');
    return promise;
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 40; i++) await this.#turn();
  }

  async close(): Promise<void> {
    for (const { clientIO, serverIO } of this.#pumps) {
      clientIO.disconnect();
      serverIO.disconnect();
    }
    for (const pump of this.#pumps) pump.flush();
    for (const { clientIO, serverIO } of this.#pumps) {
      expect([clientIO.connected, serverIO.connected]).to.deep.equal([false, false]);
    }
  }
}

describeStream('memory', async () => new MemoryWorld());
