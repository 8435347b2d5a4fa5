import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import {
  InvalidDestinationError,
  type AttemptResult,
  type Clock,
  type Destination,
  type Job,
  type ObjectToPut,
  type ParsedDestination,
} from '@trailpush/core';

/** An object as a place keeps it. */
export interface KeptObject {
  readonly location: string;
  readonly key: string;
  /** Of the uncompressed lines, SHA-256 in hex. */
  readonly payloadHash: string;
  /** Of the bytes as sent. */
  readonly wireHash: string;
  readonly lines: readonly Record<string, unknown>[];
  readonly text: string;
  readonly metadata: ObjectToPut['metadata'];
  readonly idempotencyKey: string;
}

/** One put as it arrived. */
export interface Attempt extends KeptObject {
  readonly atMs: number;
  /** 1 for the first attempt at this place. */
  readonly number: number;
}

/**
 * - `deliver`: keep the object and say so.
 * - `deliver unseen`: keep the object, and let the answer get lost.
 * - a result: answer with it, and keep nothing.
 */
export type Answer = 'deliver' | 'deliver unseen' | AttemptResult;

/** One location, and how it behaves at the moment. */
export class ScriptedPlace {
  readonly objects = new Map<string, KeptObject>();
  readonly attempts: Attempt[] = [];
  latencyMs: (attempt: Attempt) => number = () => 0;
  answer: (attempt: Attempt) => Answer = () => 'deliver';
  /** Puts under way now. */
  underWay = 0;
}

/** Rules about puts that no destination can check, so the double does. */
export interface PlacesWatcher {
  /** Called when an object arrives, before it is answered. */
  readonly arrived?: (attempt: Attempt) => void;
}

/** The world outside: places by location, as `mem://<location>/<path>` names them. */
export class ScriptedPlaces {
  readonly places = new Map<string, ScriptedPlace>();
  /** Locations that no destination can be opened for, as when a setting is missing. */
  readonly unopenable = new Set<string>();
  /** Every rule that was broken; must be empty in the end. */
  readonly violations: string[] = [];
  readonly #watcher: PlacesWatcher;

  constructor(watcher: PlacesWatcher = {}) {
    this.#watcher = watcher;
  }

  at(location: string): ScriptedPlace {
    const found = this.places.get(location) ?? new ScriptedPlace();
    this.places.set(location, found);
    return found;
  }

  /** For `BatcherOptions.openDestination`; `clock` is the process's own. */
  opener(clock: Clock): (job: Job) => { place: ParsedDestination; destination: Destination } {
    return (job) => {
      const [, location, pathTemplate] =
        /^mem:\/\/([^/]+)\/?(.*)$/.exec(job.spec.destinationConf.reveal()) ?? [];
      if (location === undefined || pathTemplate === undefined || this.unopenable.has(location)) {
        throw new InvalidDestinationError('destination_conf: this place cannot be opened');
      }
      return {
        place: { kind: 'mem', location, pathTemplate, exactlyOnce: true, secrets: [] },
        destination: new ScriptedDestination(this, location, clock),
      };
    };
  }

  /** What arrives is checked, whatever becomes of it. */
  arrive(location: string, object: ObjectToPut, atMs: number): Attempt {
    const place = this.at(location);
    const wire = Buffer.concat(object.body);
    if (wire.length !== object.bodyBytes) this.violations.push(`${object.key}: wrong bodyBytes`);
    const payload = gunzipSync(wire);
    const text = payload.toString();
    const lines = text.split('\n');
    if (lines.pop() !== '') this.violations.push(`${object.key} does not end with a newline`);
    const attempt: Attempt = {
      location,
      key: object.key,
      payloadHash: sha256(payload),
      wireHash: sha256(wire),
      text,
      lines: lines.map((line) => JSON.parse(line) as Record<string, unknown>),
      metadata: object.metadata,
      idempotencyKey: object.idempotencyKey,
      atMs,
      number: place.attempts.length + 1,
    };
    this.#checkSame(place, attempt);
    if (attempt.lines.length !== object.metadata.records) {
      this.violations.push(`${object.key} says ${object.metadata.records} records`);
    }
    place.attempts.push(attempt);
    this.#watcher.arrived?.(attempt);
    return attempt;
  }

  /** One key always has one payload, and one wire form of it. */
  #checkSame(place: ScriptedPlace, attempt: Attempt): void {
    const before = place.attempts.findLast(({ key }) => key === attempt.key);
    if (!before) return;
    const same =
      before.payloadHash === attempt.payloadHash &&
      before.wireHash === attempt.wireHash &&
      before.idempotencyKey === attempt.idempotencyKey;
    if (!same) this.violations.push(`${attempt.key} at ${attempt.location} came with two contents`);
  }
}

class ScriptedDestination implements Destination {
  readonly #places: ScriptedPlaces;
  readonly #location: string;
  readonly #clock: Clock;
  readonly #closing = new AbortController();

  constructor(places: ScriptedPlaces, location: string, clock: Clock) {
    this.#places = places;
    this.#location = location;
    this.#clock = clock;
  }

  async put(object: ObjectToPut, signal: AbortSignal): Promise<AttemptResult> {
    const place = this.#places.at(this.#location);
    const attempt = this.#places.arrive(this.#location, object, this.#clock.monotonic());
    const ends = AbortSignal.any([signal, this.#closing.signal]);
    place.underWay++;
    try {
      const latencyMs = place.latencyMs(attempt);
      if (latencyMs > 0) await this.#clock.sleep(latencyMs, ends);
      ends.throwIfAborted();
    } catch {
      return { verdict: { kind: 'retry' }, message: 'the attempt was cut short' };
    } finally {
      place.underWay--;
    }
    const answer = place.answer(attempt);
    if (typeof answer === 'object') return answer;
    place.objects.set(attempt.key, attempt);
    if (answer === 'deliver') return { verdict: { kind: 'delivered' }, status: 200 };
    return { verdict: { kind: 'retry' }, message: 'the connection was reset' };
  }

  async probe(): Promise<AttemptResult> {
    return { verdict: { kind: 'delivered' }, status: 200 };
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
