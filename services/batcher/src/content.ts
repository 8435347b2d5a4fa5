import {
  InvalidJobError,
  type Dataset,
  type EventFilter,
  type EventReader,
  type JobContent,
  type LineWriter,
} from '@trailpush/core';
import { compileFrame, type Frame } from './frame.ts';

/** What turns records into lines: one content revision of a job, compiled. */
export interface Content {
  readonly reader: EventReader;
  /** The job's filter, and then its sample. */
  readonly filter: EventFilter | undefined;
  /** Jobs that want the same bytes have the same writer, so that a line is made once for all. */
  readonly writeLine: LineWriter;
  readonly frame: Frame;
}

/** Compiles contents; one reader a dataset serves the whole process, which reads one record at a time. */
export class ContentCompiler {
  readonly #datasets: ReadonlyMap<string, Dataset>;
  readonly #readers = new Map<string, EventReader>();
  readonly #writers = new Map<string, LineWriter>();

  constructor(datasets: ReadonlyMap<string, Dataset>) {
    this.#datasets = datasets;
  }

  /** @throws InvalidJobError when this version cannot make what was stored. */
  compile(job: JobContent): Content {
    const dataset = this.#datasets.get(job.dataset);
    if (!dataset) throw new InvalidJobError('/dataset', `there is no dataset ${job.dataset}`);
    const reader = this.#readers.get(dataset.id) ?? dataset.openReader();
    this.#readers.set(dataset.id, reader);
    const { line, frame, sampleRate } = dataset.parseOutputOptions(job);
    const identity = JSON.stringify([dataset.id, line]);
    // Bounded by the distinct lines of all jobs; a process that saw many is cheap to clear.
    if (this.#writers.size > 10_000) this.#writers.clear();
    const writeLine = this.#writers.get(identity) ?? reader.compileLine(line);
    this.#writers.set(identity, writeLine);
    const filter = sampled(reader, reader.compileFilter(job.filter), sampleRate);
    return { reader, filter, writeLine, frame: compileFrame(frame) };
  }
}

function sampled(
  reader: EventReader,
  filter: EventFilter | undefined,
  sampleRate: number,
): EventFilter | undefined {
  if (sampleRate === 1) return filter;
  const sample = reader.compileSample(sampleRate);
  return filter ? () => filter() && sample() : sample;
}
