/** The side door of the reactor's threads, for those that have threads of their own: it leads to little, since what is in a thread is loaded once for each. */
export { packThrown, type Thrown, unpackThrown } from './crossing.ts';
export { workerExecArgv } from './exec-argv.ts';
