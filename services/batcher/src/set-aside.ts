import type { LogRecord } from '@trailpush/core';
import { PlanReader } from './plan-reader.ts';
import { copyOf } from './sweep.ts';

export const REFUSED = 'refused_by_destination';

/** Makes the only record of a plan a dead letter of its job, in the place of the plan. */
export class SetAside extends PlanReader {
  #record: LogRecord | undefined;

  take(record: LogRecord): void {
    // The plan may go on for many reads, and each takes the memory of the one before back.
    this.#record = { ...record, key: copyOf(record.key), value: copyOf(record.value) };
  }

  async finish(): Promise<void> {
    if (!this.isWanted) return;
    const { plan, track, delivery, shared } = this;
    const record = this.#record;
    if (!record) throw this.mismatch(0, '');
    const { offset, timestampMs, key, value } = record;
    const { topic, partition } = track.progress.ownership;
    const { accountId } = track.open.job;
    const message = delivery.refusal;
    const letter = {
      ...{ topic, partition, offset, jobId: plan.jobId, accountId },
      ...{ reason: REFUSED, message, timestampMs, key, value },
    };
    const isDone = await track.progress.setAsidePlan(plan, letter, (cursor) => {
      track.open.health.proven();
      track.confirmed(cursor);
    });
    if (!isDone) {
      delivery.disown();
      return;
    }
    shared.telemetry.deadLetter(REFUSED, { job: plan.jobId, partition, offset, message });
  }
}
