import { randomUUID } from 'node:crypto';
import type { LineEncoder } from '@trailpush/api';
import type { Clock } from '@trailpush/core';
import { parseEventItem, type EventEncoder } from '@trailpush/datasets';

/** Lines of producers to records of the log; ids and times that are missing are assigned. */
export function lineEncoder(encode: EventEncoder, maxLineBytes: number, clock: Clock): LineEncoder {
  const options = {
    maxLineBytes,
    newId: () => randomUUID(),
    nowMicros: () => clock.now() * 1000,
  };
  return {
    encodeLine: (line) => {
      const item = parseEventItem(line, options);
      if (!item.ok) return item;
      return { ok: true, record: { key: item.key, value: encode(item.event) } };
    },
  };
}
