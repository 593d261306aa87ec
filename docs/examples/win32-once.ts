/** Runs once at a time, on every system: who starts it a second time is told, and gets 1 as exit status. */
import { AlreadyRunning, reactor, singleInstance } from '../../src/index.ts';

try {
  const instance = singleInstance('strand example');
  if (!instance.clean) console.log('The one before did not end in good order');
  reactor.addSystemEventTrigger('after', 'shutdown', () => instance.release());
  console.log('Running');
  await reactor.run();
} catch (error) {
  if (!(error instanceof AlreadyRunning)) throw error;
  console.log(error.message);
  process.exitCode = 1;
}
