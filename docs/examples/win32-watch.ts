/** Tells what happens to a service, until it is removed: `win32-watch.ts Spooler`. */
import { watchService } from '../../src/index.ts';

const [, , name = 'Spooler'] = process.argv;
watchService(name).subscribe({
  next: ({ state, pid }) =>
    console.log(`${name} is ${state}${pid === 0 ? '' : `, process ${pid}`}`),
  error: (error) => console.log(String(error)),
  complete: () => console.log(`${name} is removed`),
});
