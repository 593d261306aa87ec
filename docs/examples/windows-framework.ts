/**
 * A service as a class, the way of pywin32: the script installs, manages and is the service.
 *
 *     node windows-framework.js --startup auto install        (node windows-framework.ts, from Node 22.18 on)
 *     node windows-framework.js start
 *     node windows-framework.js debug                         (in this terminal, until Ctrl+C)
 */
import {
  EventLog,
  handleCommandLine,
  LoopingCall,
  reactor,
  ServiceFramework,
} from '../../src/index.ts';

class Ticker extends ServiceFramework {
  static readonly _svc_name_ = 'StrandTicker';
  static readonly _svc_display_name_ = 'Strand ticker';
  static readonly _svc_description_ = 'Writes a line each minute';
  readonly #ticks = new LoopingCall(() => console.log('tick'));
  readonly #events = new EventLog('StrandTicker');

  /** Nothing blocks here: what it returns (nothing, a promise, a Deferred) says how long the service lasts. */
  override SvcDoRun(): void {
    const [, seconds = '60'] = this.args; // the first is its name, then what was given to start
    this.#ticks.clock = reactor;
    void this.#ticks.start(Number(seconds));
  }

  override SvcStop(): void {
    this.#ticks.stop();
    if (process.platform === 'win32') this.#events.info('No more ticks');
  }
}

process.exitCode = await handleCommandLine(Ticker);
