import type { Dataset, EventReader, FieldType } from '@trailpush/core';
import { AvroCursor } from '../../services/lib/datasets/src/avro-cursor.ts';
import type { Field } from '../../services/lib/datasets/src/field.ts';
import { compileFilter } from '../../services/lib/datasets/src/filter.ts';
import { compileLine } from '../../services/lib/datasets/src/line.ts';
import { parseOutputOptions } from '../../services/lib/datasets/src/output-options.ts';
import { compileSample } from '../../services/lib/datasets/src/sample.ts';

/**
 * A dataset that this project does not have, for cases that name its fields. Its records are JSON objects
 * of field values (integers beyond 2^53 in digits); lines and filters are the real ones. The first field
 * stands for the event's id.
 */
export function foreignDataset(id: string, types: Readonly<Record<string, FieldType>>): Dataset {
  const fields = Object.entries(types).map(([name, type], slot): Field => {
    const field = { name, slot, description: `${name} of ${id}.` };
    return type === 'bool' ? { ...field, type, trueText: 'true' } : { ...field, type };
  });
  const openReader = () => new ForeignReader(fields);
  return {
    id,
    fields,
    openReader,
    checkFilter: (filter) => void openReader().compileFilter(filter),
    parseOutputOptions: (stored) => parseOutputOptions(fields, stored),
  };
}

class ForeignReader implements EventReader {
  readonly isOfAccount = true;
  readonly cursor: AvroCursor;
  readonly rewrites: Uint8Array;
  readonly #fields: readonly Field[];

  constructor(fields: readonly Field[]) {
    this.#fields = fields;
    this.cursor = new AvroCursor(fields.length);
    this.rewrites = new Uint8Array(fields.length);
  }

  load(value: Uint8Array): boolean {
    const record = JSON.parse(Buffer.from(value).toString()) as Record<string, unknown>;
    const texts = this.#fields.map(({ name, type }) => textOf(record[name], type));
    const { cursor } = this;
    cursor.reset(Buffer.from(texts.join('')), 0);
    let at = cursor.start;
    for (const [slot, { name, type }] of this.#fields.entries()) {
      if (record[name] === undefined) continue;
      const text = texts[slot] ?? '';
      cursor.starts[slot] = at;
      at += Buffer.byteLength(text);
      cursor.ends[slot] = at;
      if (type === 'int') cursor.integers[slot] = Number(text);
      if (type === 'timestamp') {
        const nanos = BigInt(text) % 1000n;
        cursor.integers[slot] = Number((BigInt(text) - nanos) / 1000n);
        cursor.ends[slot] = Number(nanos);
      }
    }
    return true;
  }

  async ready(): Promise<void> {
    // No schema is ever fetched.
  }

  compileFilter(filter: string): ReturnType<EventReader['compileFilter']> {
    return compileFilter(this.#fields, this, filter);
  }

  compileSample(rate: number): ReturnType<EventReader['compileSample']> {
    return compileSample(this, 0, rate);
  }

  compileLine(
    options: Parameters<EventReader['compileLine']>[0],
  ): ReturnType<EventReader['compileLine']> {
    return compileLine(this.#fields, this, options);
  }
}

function textOf(value: unknown, type: FieldType): string {
  if (value === undefined) return '';
  const isPlain = typeof value === 'string' && type !== 'object' && type !== 'array';
  return isPlain ? value : JSON.stringify(value);
}
