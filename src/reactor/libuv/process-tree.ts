/**
 * Killing a process with all that it has started.
 *
 * A process group would be the cheap way, but a group of its own takes a child out of reach of the terminal's Ctrl-C, and its children may leave it. So
 * children stay in our group, where a terminal's signals reach them as they would without us, and the tree is found when it is to be killed, by who is
 * whose parent. Each process found is stopped before its children are looked for: a stopped one starts no more, and reaps none, so that no
 * number can come to mean another process. A descendant whose parent has exited already belongs to init and is not found.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Kills `pid` and its descendants. @throws the system's error, such as EPERM, after trying them all */
export function killTree(pid: number): void {
  if (process.platform === 'win32') {
    killTreeOnWindows(pid);
    return;
  }
  const tree = new Set<number>();
  let found = [pid];
  while (found.length > 0) {
    for (const member of found) {
      tree.add(member);
      send(member, 'SIGSTOP');
    }
    found = children(tree, parents());
  }
  const errors = [...tree].map((member) => send(member, 'SIGKILL'));
  for (const error of errors) if (error !== undefined) throw error;
}

/** Processes that are not in `tree` but whose parent is. */
function children(tree: ReadonlySet<number>, parentOf: ReadonlyMap<number, number>): number[] {
  const found: number[] = [];
  for (const [pid, parent] of parentOf) if (tree.has(parent) && !tree.has(pid)) found.push(pid);
  return found;
}

/** What went wrong, unless it is that the process is gone. */
function send(pid: number, signal: NodeJS.Signals): unknown {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // process.kill throws nothing but system errors here.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') return error;
  }
  return undefined;
}

/** Every process with its parent. Empty where the system will not say. */
function parents(): Map<number, number> {
  return process.platform === 'linux' ? parentsFromProc() : parentsFromPs();
}

function parentsFromProc(): Map<number, number> {
  const parentOf = new Map<number, number>();
  let names: string[];
  try {
    names = readdirSync('/proc');
  } catch {
    return parentOf; // not mounted: then at least the child
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      // proc(5): "pid (name) state ppid ...", and the name may have parentheses in it.
      const [, , parent] = stat.slice(stat.lastIndexOf(')')).split(' ');
      parentOf.set(Number(name), Number(parent));
    } catch {
      // It has ended since.
    }
  }
  return parentOf;
}

/** Blocks for as long as ps takes, some 10 ms. */
function parentsFromPs(): Map<number, number> {
  const parentOf = new Map<number, number>();
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=', '-o', 'ppid='], { encoding: 'latin1' });
  for (const match of (stdout ?? '').matchAll(/^\s*(\d+)\s+(\d+)\s*$/gm)) {
    parentOf.set(Number(match[1]), Number(match[2]));
  }
  return parentOf;
}

function killTreeOnWindows(pid: number): void {
  const killer = spawn('taskkill', ['/T', '/F', '/PID', String(pid)], {
    stdio: 'ignore',
    windowsHide: true,
  });
  // No taskkill, or it was not allowed all of the tree: then at least the child.
  killer.on('error', () => send(pid, 'SIGKILL'));
  killer.on('exit', (code) => {
    if (code !== 0) send(pid, 'SIGKILL');
  });
}
