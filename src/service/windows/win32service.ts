/** Windows' numbers under the names that pywin32's `win32service` has for them, for services of the framework. Everything else here speaks of them by words. */
import { ACCEPT_BITS, CONTROL_CODES, STATE_CODES } from './constants.ts';

/** The states of a service: what `ReportServiceStatus` takes, and `waitForServiceStatus`. */
export const SERVICE_STOPPED: number = STATE_CODES.stopped;
export const SERVICE_START_PENDING: number = STATE_CODES['start-pending'];
export const SERVICE_STOP_PENDING: number = STATE_CODES['stop-pending'];
export const SERVICE_RUNNING: number = STATE_CODES.running;
export const SERVICE_CONTINUE_PENDING: number = STATE_CODES['continue-pending'];
export const SERVICE_PAUSE_PENDING: number = STATE_CODES['pause-pending'];
export const SERVICE_PAUSED: number = STATE_CODES.paused;

/** The controls a service may accept: bits of what `GetAcceptedControls` returns. */
export const SERVICE_ACCEPT_STOP: number = ACCEPT_BITS.stop;
export const SERVICE_ACCEPT_PAUSE_CONTINUE: number = ACCEPT_BITS['pause-continue'];
export const SERVICE_ACCEPT_SHUTDOWN: number = ACCEPT_BITS.shutdown;
export const SERVICE_ACCEPT_PARAMCHANGE: number = ACCEPT_BITS['param-change'];
export const SERVICE_ACCEPT_NETBINDCHANGE: number = ACCEPT_BITS['net-bind'];
export const SERVICE_ACCEPT_HARDWAREPROFILECHANGE: number = ACCEPT_BITS['hardware-profile-change'];
export const SERVICE_ACCEPT_POWEREVENT: number = ACCEPT_BITS['power-event'];
export const SERVICE_ACCEPT_SESSIONCHANGE: number = ACCEPT_BITS['session-change'];
export const SERVICE_ACCEPT_PRESHUTDOWN: number = ACCEPT_BITS.preshutdown;
export const SERVICE_ACCEPT_TIMECHANGE: number = ACCEPT_BITS['time-change'];
export const SERVICE_ACCEPT_TRIGGEREVENT: number = ACCEPT_BITS['trigger-event'];

/** The controls themselves: what `SvcOther` and `SvcOtherEx` get. */
export const SERVICE_CONTROL_STOP: number = CONTROL_CODES.stop;
export const SERVICE_CONTROL_PAUSE: number = CONTROL_CODES.pause;
export const SERVICE_CONTROL_CONTINUE: number = CONTROL_CODES.continue;
export const SERVICE_CONTROL_INTERROGATE: number = CONTROL_CODES.interrogate;
export const SERVICE_CONTROL_SHUTDOWN: number = CONTROL_CODES.shutdown;
export const SERVICE_CONTROL_PARAMCHANGE: number = CONTROL_CODES['param-change'];
export const SERVICE_CONTROL_NETBINDADD: number = CONTROL_CODES['net-bind-add'];
export const SERVICE_CONTROL_NETBINDREMOVE: number = CONTROL_CODES['net-bind-remove'];
export const SERVICE_CONTROL_NETBINDENABLE: number = CONTROL_CODES['net-bind-enable'];
export const SERVICE_CONTROL_NETBINDDISABLE: number = CONTROL_CODES['net-bind-disable'];
export const SERVICE_CONTROL_DEVICEEVENT: number = CONTROL_CODES['device-event'];
export const SERVICE_CONTROL_HARDWAREPROFILECHANGE: number =
  CONTROL_CODES['hardware-profile-change'];
export const SERVICE_CONTROL_POWEREVENT: number = CONTROL_CODES['power-event'];
export const SERVICE_CONTROL_SESSIONCHANGE: number = CONTROL_CODES['session-change'];
export const SERVICE_CONTROL_PRESHUTDOWN: number = CONTROL_CODES.preshutdown;
export const SERVICE_CONTROL_TIMECHANGE: number = CONTROL_CODES['time-change'];
export const SERVICE_CONTROL_TRIGGEREVENT: number = CONTROL_CODES['trigger-event'];
