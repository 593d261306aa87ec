/** One program waits for another: `win32-signal.ts wait`, then elsewhere `win32-signal.ts set`. */
import { Event, isWindowsError } from '../../src/index.ts';

const NAME = 'strand signal';

if (process.argv[2] === 'wait') {
  const event = new Event(NAME);
  console.log('Waiting');
  await event.wait({ timeout: 60 }); // the loop goes on meanwhile
  console.log('It was set');
  event.close();
} else {
  try {
    const event = Event.open(NAME);
    event.set();
    event.close();
  } catch (error) {
    if (!isWindowsError(error, 'ERROR_FILE_NOT_FOUND')) throw error;
    console.log('Nobody waits');
  }
}
