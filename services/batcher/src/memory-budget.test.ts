import { describe, expect, it } from 'vitest';
import { FakeClock } from '@trailpush/test/kit/fake-clock.ts';
import { MemoryBudget } from './memory-budget.ts';

const never = new AbortController().signal;
const clock = new FakeClock();

function waitFor(room: Promise<void>) {
  const waiting = { done: false };
  void room.then(() => (waiting.done = true));
  return waiting;
}

describe('the memory budget', () => {
  it('is under pressure from three quarters on, and full at its limit', () => {
    const budget = new MemoryBudget(1000);
    budget.hold(750);
    expect([budget.underPressure, budget.isFull]).toEqual([false, false]);
    budget.hold(1);
    expect([budget.underPressure, budget.isFull]).toEqual([true, false]);
    budget.hold(249);
    expect(budget.isFull).toBe(true);
  });

  it('does not count as too much what is on its way out', () => {
    const budget = new MemoryBudget(1000);
    budget.hold(900);
    expect(budget.excessBytes).toBe(400);
    budget.leaving(600);
    expect(budget.excessBytes).toBe(-200);
  });

  it('lets lanes wait until there is room', async () => {
    const budget = new MemoryBudget(1000);
    await budget.room(never);
    budget.hold(1200);
    const waiting = waitFor(budget.room(never));
    await clock.advance(0);
    budget.hold(-100);
    await clock.advance(0);
    expect([waiting.done, budget.waiting]).toEqual([false, 1]);
    budget.hold(-200);
    await clock.advance(0);
    expect([waiting.done, budget.waiting]).toEqual([true, 0]);
  });

  it('is full too while the thread pool has more to compress than it can hold', async () => {
    const budget = new MemoryBudget(1024 * 1024 * 1024);
    budget.compressing(9 * 1024 * 1024);
    const waiting = waitFor(budget.room(never));
    await clock.advance(0);
    expect(waiting.done).toBe(false);
    budget.compressing(-2 * 1024 * 1024);
    await clock.advance(0);
    expect(waiting.done).toBe(true);
  });

  it('ends a wait that was given up, and keeps nothing of it', async () => {
    const budget = new MemoryBudget(1000);
    budget.hold(1000);
    const stop = new AbortController();
    const waiting = waitFor(budget.room(stop.signal));
    stop.abort();
    await clock.advance(0);
    expect([waiting.done, budget.waiting]).toEqual([true, 0]);
  });

  it('is not overdrawn while something is on its way out', async () => {
    const budget = new MemoryBudget(1000);
    budget.hold(1000);
    budget.leaving(10);
    const body = {};
    const waiting = waitFor(budget.roomOrOverdraft(body, never));
    await clock.advance(0);
    expect([budget.isOverdrawnBy(body), waiting.done]).toEqual([false, false]);
    budget.hold(200);
    budget.leaving(-10);
    budget.hold(-10);
    await clock.advance(0);
    expect([budget.isOverdrawnBy(body), waiting.done]).toEqual([true, true]);
  });

  it('may be overdrawn by one at a time', async () => {
    const budget = new MemoryBudget(1000);
    budget.hold(1000);
    const [one, other] = [{}, {}];
    await budget.roomOrOverdraft(one, never);
    await budget.roomOrOverdraft(one, never);
    const waiting = waitFor(budget.roomOrOverdraft(other, never));
    await clock.advance(0);
    expect([budget.isOverdrawnBy(one), waiting.done]).toEqual([true, false]);
    budget.endOverdraft(other);
    budget.endOverdraft(one);
    await clock.advance(0);
    expect([budget.isOverdrawnBy(other), waiting.done]).toEqual([true, true]);
  });
});
