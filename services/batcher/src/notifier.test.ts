import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { MemoryStores } from '@trailpush/test/kit/memory-stores.ts';
import { createRecordingLogger } from '@trailpush/test/kit/recording-logger.ts';
import { Notifier } from './notifier.ts';

let clock: FakeClock;
let stores: MemoryStores;
let posted: string[];
let fail: ((signal: AbortSignal) => Promise<void>) | undefined;
let notifier: Notifier;
const logged = createRecordingLogger();

function newNotifier(): Notifier {
  return new Notifier({
    store: stores.open().jobHealth,
    post: async (body, signal) => {
      posted.push(body);
      await fail?.(signal);
    },
    clock,
    logger: logged.logger,
    random: () => 0.5,
  });
}

beforeEach(() => {
  clock = new FakeClock();
  stores = new MemoryStores(clock);
  posted = [];
  fail = undefined;
  notifier = newNotifier();
  notifier.start();
});
afterEach(() => notifier.stop());

const note = (kind: 'gap' | 'job_disabled' = 'job_disabled') =>
  stores.health.note(kind, { jobId: 7, accountId: 'acme' }, 'it failed');
const tell = () => posted.map((body) => JSON.parse(body) as Record<string, unknown>);

describe('the notifier', () => {
  it('posts each notice once, in the shape of Cloudflare webhooks', async () => {
    note();
    note();
    note('gap');
    await clock.advance(120_000);
    expect(tell()).toMatchObject([
      {
        name: 'Failing Logpush Job Disabled',
        alert_type: 'failing_logpush_job_disabled_alert',
        text: 'it failed',
        account_id: 'acme',
        data: { job_id: 7 },
      },
      { alert_type: 'trailpush_log_gap_alert' },
    ]);
    await clock.advance(24 * 3_600_000);
    note();
    await clock.advance(20_000);
    expect(posted).toHaveLength(3);
  });

  it('repeats what was not taken, under the same id and ever more slowly, and gives up', async () => {
    fail = () => Promise.reject(new Error('it answered 503'));
    note();
    await clock.advance(3_600_000);
    expect(posted.length).toBeGreaterThan(3);
    expect(posted.length).toBeLessThan(9);
    await clock.advance(10 * 24 * 3_600_000);
    expect(posted).toHaveLength(20);
    expect(new Set(tell().map(({ id }) => id)).size).toBe(1);
    expect(logged.lines.filter(({ level }) => level === 'error')).toMatchObject([
      { message: 'a notice was given up; check TRAILPUSH_NOTIFY_WEBHOOK' },
    ]);
  });

  it('does not wait for ever for an answer', async () => {
    fail = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    note();
    await clock.advance(15_000 + 30_000);
    expect(logged.lines.at(-1)?.fields).toMatchObject({ error: 'no answer within 30000 ms' });
    fail = undefined;
    await clock.advance(300_000);
    expect(posted).toHaveLength(2);
  });

  it('that was cut short is followed by another one', async () => {
    fail = (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    note();
    await clock.advance(16_000);
    await notifier.stop();
    fail = undefined;
    notifier = newNotifier();
    notifier.start();
    await clock.advance(11 * 60_000);
    expect(posted).toHaveLength(2);
  });
});
