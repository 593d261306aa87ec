/** Windows' numbers under the names that pywin32's `win32service` has for them, for services of the framework. Everything else here speaks of them by words. */
import { ACCEPT_BITS, CONTROL_CODES, STATE_CODES } from './constants.ts';

// The states of a service: what `ReportServiceStatus` takes, and `waitForServiceStatus`.
/** State of a service: it does not run. */
export const SERVICE_STOPPED: number = STATE_CODES.stopped;
/** State of a service: it is starting. */
export const SERVICE_START_PENDING: number = STATE_CODES['start-pending'];
/** State of a service: it is stopping. */
export const SERVICE_STOP_PENDING: number = STATE_CODES['stop-pending'];
/** State of a service: it runs. */
export const SERVICE_RUNNING: number = STATE_CODES.running;
/** State of a service: it was paused, and goes on soon. */
export const SERVICE_CONTINUE_PENDING: number = STATE_CODES['continue-pending'];
/** State of a service: it is about to pause. */
export const SERVICE_PAUSE_PENDING: number = STATE_CODES['pause-pending'];
/** State of a service: it is paused. */
export const SERVICE_PAUSED: number = STATE_CODES.paused;

// The controls a service may accept: bits of what `GetAcceptedControls` returns.
/** Bit of the accepted controls: it can be stopped. */
export const SERVICE_ACCEPT_STOP: number = ACCEPT_BITS.stop;
/** Bit of the accepted controls: it can be paused and go on. */
export const SERVICE_ACCEPT_PAUSE_CONTINUE: number = ACCEPT_BITS['pause-continue'];
/** Bit of the accepted controls: it is told when the system shuts down. */
export const SERVICE_ACCEPT_SHUTDOWN: number = ACCEPT_BITS.shutdown;
/** Bit of the accepted controls: it is told when its parameters have changed. */
export const SERVICE_ACCEPT_PARAMCHANGE: number = ACCEPT_BITS['param-change'];
/** Bit of the accepted controls: it is told of changes of network bindings. */
export const SERVICE_ACCEPT_NETBINDCHANGE: number = ACCEPT_BITS['net-bind'];
/** Bit of the accepted controls: it is told when the hardware profile changes. */
export const SERVICE_ACCEPT_HARDWAREPROFILECHANGE: number = ACCEPT_BITS['hardware-profile-change'];
/** Bit of the accepted controls: it is told of power events. */
export const SERVICE_ACCEPT_POWEREVENT: number = ACCEPT_BITS['power-event'];
/** Bit of the accepted controls: it is told of log-ons, log-offs and the like. */
export const SERVICE_ACCEPT_SESSIONCHANGE: number = ACCEPT_BITS['session-change'];
/** Bit of the accepted controls: it is told, and given time, before the system shuts down. */
export const SERVICE_ACCEPT_PRESHUTDOWN: number = ACCEPT_BITS.preshutdown;
/** Bit of the accepted controls: it is told when the clock is set. */
export const SERVICE_ACCEPT_TIMECHANGE: number = ACCEPT_BITS['time-change'];
/** Bit of the accepted controls: it is told when an event occurs that it has a trigger for. */
export const SERVICE_ACCEPT_TRIGGEREVENT: number = ACCEPT_BITS['trigger-event'];

// The controls themselves: what `SvcOther` and `SvcOtherEx` get.
/** Control of a service: stop. */
export const SERVICE_CONTROL_STOP: number = CONTROL_CODES.stop;
/** Control of a service: pause. */
export const SERVICE_CONTROL_PAUSE: number = CONTROL_CODES.pause;
/** Control of a service: go on after a pause. */
export const SERVICE_CONTROL_CONTINUE: number = CONTROL_CODES.continue;
/** Control of a service: report the status. */
export const SERVICE_CONTROL_INTERROGATE: number = CONTROL_CODES.interrogate;
/** Control of a service: the system shuts down. */
export const SERVICE_CONTROL_SHUTDOWN: number = CONTROL_CODES.shutdown;
/** Control of a service: the parameters have changed; read them again. */
export const SERVICE_CONTROL_PARAMCHANGE: number = CONTROL_CODES['param-change'];
/** Control of a service: there is a new component to bind to. */
export const SERVICE_CONTROL_NETBINDADD: number = CONTROL_CODES['net-bind-add'];
/** Control of a service: a component that was bound to is gone. */
export const SERVICE_CONTROL_NETBINDREMOVE: number = CONTROL_CODES['net-bind-remove'];
/** Control of a service: a binding that was disabled is enabled. */
export const SERVICE_CONTROL_NETBINDENABLE: number = CONTROL_CODES['net-bind-enable'];
/** Control of a service: a binding is disabled. */
export const SERVICE_CONTROL_NETBINDDISABLE: number = CONTROL_CODES['net-bind-disable'];
/** Control of a service: a device has come, gone or changed. */
export const SERVICE_CONTROL_DEVICEEVENT: number = CONTROL_CODES['device-event'];
/** Control of a service: the hardware profile changes, or is about to. */
export const SERVICE_CONTROL_HARDWAREPROFILECHANGE: number =
  CONTROL_CODES['hardware-profile-change'];
/** Control of a service: the system sleeps, wakes up, or changes its source of power. */
export const SERVICE_CONTROL_POWEREVENT: number = CONTROL_CODES['power-event'];
/** Control of a service: somebody has logged on or off, locked or unlocked. */
export const SERVICE_CONTROL_SESSIONCHANGE: number = CONTROL_CODES['session-change'];
/** Control of a service: the system is about to shut down. */
export const SERVICE_CONTROL_PRESHUTDOWN: number = CONTROL_CODES.preshutdown;
/** Control of a service: the clock was set. */
export const SERVICE_CONTROL_TIMECHANGE: number = CONTROL_CODES['time-change'];
/** Control of a service: an event has occurred that it has a trigger for. */
export const SERVICE_CONTROL_TRIGGEREVENT: number = CONTROL_CODES['trigger-event'];
