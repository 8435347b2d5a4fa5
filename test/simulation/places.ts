import {
  type AttemptResult,
  type Destination,
  type Job,
  type ObjectToPut,
  type ParsedDestination,
  type Verdict,
} from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import type { Boundary } from './boundary.ts';
import type { Counts } from './counts.ts';
import { POST_LOCATION, type PutOracle } from './put-oracle.ts';
import { storedPayload } from './stored-deflate.ts';
import type { VirtualClock } from './virtual-clock.ts';

const DEADLINE_MS = 30_000;
const CALM_LATENCY_MS = 30;

/** How a place behaves for a while. */
export interface Behaviour {
  /** Of attempts that get `answer` instead of being taken. */
  readonly refusalRate: number;
  readonly answer: AttemptResult;
  /** Of attempts that are taken, and whose answer is lost. */
  readonly lostAnswerRate: number;
  /** Until the object lies there, and then until the answer is back, at most. */
  readonly maxLandingMs: number;
  readonly maxAnswerMs: number;
  /** What a POST kind says of a body that it never takes as it is. */
  readonly refuses?: (payload: string) => Verdict | undefined;
}

export const CALM: Behaviour = {
  refusalRate: 0,
  answer: { verdict: { kind: 'retry' } },
  lostAnswerRate: 0,
  maxLandingMs: CALM_LATENCY_MS,
  maxAnswerMs: CALM_LATENCY_MS,
};

/** The world outside: places by location, as `mem://<location>/<folder>` names them. */
export class Places {
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #clock: VirtualClock;
  readonly #random: SeededRandom;
  readonly #oracle: PutOracle;
  readonly #counts: Counts;
  readonly #trace: ((what: string) => void) | undefined;

  constructor(options: {
    clock: VirtualClock;
    random: SeededRandom;
    oracle: PutOracle;
    counts: Counts;
    trace: ((what: string) => void) | undefined;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#oracle = options.oracle;
    this.#counts = options.counts;
    this.#trace = options.trace;
  }

  behave(location: string, behaviour: Behaviour): void {
    this.#behaviours.set(location, behaviour);
  }

  heal(): void {
    this.#behaviours.clear();
  }

  opener(boundary: Boundary): (job: Job) => { place: ParsedDestination; destination: Destination } {
    return (job) => {
      const conf = job.spec.destinationConf.reveal();
      const [, location = '', pathTemplate = ''] = /^mem:\/\/([^/]+)\/(.*)$/.exec(conf) ?? [];
      const place = { kind: 'mem', location, pathTemplate };
      const cuts = new Set<() => void>();
      return {
        place: { ...place, exactlyOnce: location !== POST_LOCATION, secrets: [] },
        destination: {
          put: (object, signal) =>
            boundary.call(() => this.#put({ location: place.location, object, signal, cuts })),
          probe: () => Promise.reject(new Error('batchers do not test destinations')),
          close: async () => {
            for (const cut of cuts) cut();
          },
        },
      };
    };
  }

  async #put(attempt: {
    location: string;
    object: ObjectToPut;
    signal: AbortSignal;
    cuts: Set<() => void>;
  }): Promise<AttemptResult> {
    const { location, object, signal, cuts } = attempt;
    const cutShort: AttemptResult = { verdict: { kind: 'retry' }, message: 'cut short' };
    if (signal.aborted) return cutShort;
    const { key } = object;
    const payload = storedPayload(object.body);
    this.#oracle.arrived(location, key, payload);
    this.#counts.add('puts');
    const random = this.#random;
    const behaviour = this.#behaviours.get(location) ?? CALM;
    const refusal = behaviour.refuses?.(payload);
    const isRefused = random.chance(behaviour.refusalRate) || refusal !== undefined;
    const isLost = random.chance(behaviour.lostAnswerRate);
    const landingMs = random.between(0, behaviour.maxLandingMs);
    const answerMs = landingMs + random.between(1, behaviour.maxAnswerMs);
    const arrivesAnyway = random.chance(0.5);
    const callOff = this.#clock.after(landingMs, () => {
      if (isRefused) return;
      this.#oracle.landed(location, key, this.#clock.monotonic());
      this.#trace?.(`  landed ${location} ${key}`);
    });
    const isAnswered = await this.#answer(Math.min(answerMs, DEADLINE_MS), signal, cuts);
    if (!isAnswered) {
      // What the process does not want to send any more may have been sent.
      if (!arrivesAnyway) callOff();
      this.#counts.add('put cut short');
      return cutShort;
    }
    if (answerMs > DEADLINE_MS || isLost) {
      this.#counts.add('put answer lost');
      return { verdict: { kind: 'retry' }, message: 'no answer in time' };
    }
    if (refusal) {
      this.#oracle.answeredRefused(location, key);
      this.#counts.add(`put answered ${refusal.kind}`);
      return { verdict: refusal, message: 'the place never takes this' };
    }
    if (isRefused) {
      this.#counts.add(`put answered ${behaviour.answer.verdict.kind}`);
      return behaviour.answer;
    }
    this.#oracle.answeredDelivered(location, key);
    return { verdict: { kind: 'delivered' }, status: 200 };
  }

  /** False when the process ended the attempt before. */
  #answer(ms: number, signal: AbortSignal, cuts: Set<() => void>): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isAnswered: boolean): void => {
        callOff();
        cuts.delete(cut);
        signal.removeEventListener('abort', cut);
        resolve(isAnswered);
      };
      const cut = (): void => end(false);
      const callOff = this.#clock.after(ms, () => end(true));
      cuts.add(cut);
      signal.addEventListener('abort', cut, { once: true });
    });
  }
}
