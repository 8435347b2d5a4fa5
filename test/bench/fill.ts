/** Child process: fills a log with the events of a load. Arguments: load and place as JSON. */
import type { AppendRecord } from '@trailpush/core';
import { eventSource, type Load } from './events.ts';
import { openBenchLog, type LogPlace } from './world.ts';

const RECORDS_PER_APPEND = 2000;
const APPENDS_AT_ONCE = 4;

const [loadText = '{}', placeText = '{}'] = process.argv.slice(2);
const load = JSON.parse(loadText) as Load;
const log = await openBenchLog(JSON.parse(placeText) as LogPlace);
const source = eventSource(load);

let underWay: Promise<void>[] = [];
for (let first = 0; first < load.events; first += RECORDS_PER_APPEND) {
  const count = Math.min(RECORDS_PER_APPEND, load.events - first);
  const records: AppendRecord[] = Array.from({ length: count }, (_, index) =>
    source.encoded(first + index),
  );
  underWay.push(log.append(records));
  if (underWay.length < APPENDS_AT_ONCE) continue;
  await Promise.all(underWay);
  underWay = [];
}
await Promise.all(underWay);
await log.close();
