import { readdirSync, readFileSync } from 'node:fs';

/** Of the kernel's clock, everywhere on Linux. */
const TICKS_PER_SECOND = 100;

/** CPU seconds of all processes below this one, as long as they or their parents live; 0 where there is no /proc. */
export function childCpuSeconds(): number {
  const parents = new Map<number, number>();
  const ticks = new Map<number, number>();
  for (const pid of listProcesses()) {
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name of the program, in brackets, may hold anything. Then: state, parent, ...
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parents.set(pid, Number(fields[1]));
      const times = fields.slice(11, 15).map(Number);
      ticks.set(
        pid,
        times.reduce((sum, time) => sum + time, 0),
      );
    } catch {
      // It has ended meanwhile.
    }
  }
  let sum = 0;
  for (const [pid, own] of ticks) {
    let ancestor = parents.get(pid);
    while (ancestor !== undefined && ancestor !== process.pid) ancestor = parents.get(ancestor);
    if (ancestor === process.pid) sum += own;
  }
  return sum / TICKS_PER_SECOND;
}

function listProcesses(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}
