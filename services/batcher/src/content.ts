import {
  InvalidJobError,
  type Dataset,
  type EventFilter,
  type EventReader,
  type JobSpec,
  type LineWriter,
} from '@trailpush/core';

/** What turns records into lines: one content revision of a job, compiled. */
export interface Content {
  readonly reader: EventReader;
  readonly filter: EventFilter | undefined;
  /** Jobs that want the same bytes have the same writer, so that a line is made once for all. */
  readonly writeLine: LineWriter;
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
  compile(spec: Pick<JobSpec, 'dataset' | 'filter' | 'outputOptions'>): Content {
    const dataset = this.#datasets.get(spec.dataset);
    if (!dataset) throw new InvalidJobError('/dataset', `there is no dataset ${spec.dataset}`);
    const reader = this.#readers.get(dataset.id) ?? dataset.openReader();
    this.#readers.set(dataset.id, reader);
    const options = dataset.parseOutputOptions(spec.outputOptions);
    const identity = JSON.stringify([dataset.id, options]);
    // Bounded by the distinct options of all jobs; a process that saw many is cheap to clear.
    if (this.#writers.size > 10_000) this.#writers.clear();
    const writeLine = this.#writers.get(identity) ?? reader.compileLine(options);
    this.#writers.set(identity, writeLine);
    return { reader, filter: reader.compileFilter(spec.filter), writeLine };
  }
}
