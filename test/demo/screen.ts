import { Presets, SingleBar } from 'cli-progress';

/** What is known of one destination after the check. */
export interface Row {
  readonly destination: string;
  readonly objects: number;
  readonly wireMegabytes: number;
  readonly exactlyOnce: number;
  readonly missing: number;
  readonly repeated: number;
  readonly medianDelayMs: number;
  readonly maxDelayMs: number;
}

/** A bar on a terminal, a line elsewhere. */
export class Progress {
  readonly #label: string;
  readonly #total: number;
  readonly #startedAtMs = performance.now();
  readonly #bar: SingleBar | undefined;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
    if (!process.stdout.isTTY) return;
    const format = `${label.padEnd(10)} {bar} {value}/{total}`;
    this.#bar = new SingleBar({ format }, Presets.shades_classic);
    this.#bar.start(total, 0);
  }

  update(value: number): void {
    this.#bar?.update(Math.min(value, this.#total));
  }

  end(): void {
    this.#bar?.stop();
    const seconds = (performance.now() - this.#startedAtMs) / 1000;
    process.stdout.write(`${this.#label}: ${this.#total} events in ${seconds.toFixed(1)} s\n`);
  }
}

const COLUMNS: readonly (readonly [title: string, cell: (row: Row) => string])[] = [
  ['destination', ({ destination }) => destination],
  ['objects', ({ objects }) => String(objects)],
  ['MB gzip', ({ wireMegabytes }) => wireMegabytes.toFixed(1)],
  ['exactly once', ({ exactlyOnce }) => String(exactlyOnce)],
  ['missing', ({ missing }) => String(missing)],
  ['repeated', ({ repeated }) => String(repeated)],
  ['median from send', ({ medianDelayMs }) => `${(medianDelayMs / 1000).toFixed(1)} s`],
  ['longest', ({ maxDelayMs }) => `${(maxDelayMs / 1000).toFixed(1)} s`],
];

export function printTable(rows: readonly Row[]): void {
  const cells = [
    COLUMNS.map(([title]) => title),
    ...rows.map((row) => COLUMNS.map(([, cell]) => cell(row))),
  ];
  const widths = COLUMNS.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const lines = cells.map((row) =>
    row.map((cell, column) => cell.padStart(widths[column] ?? 0)).join('  '),
  );
  process.stdout.write(`\n${lines.join('\n')}\n`);
}
