import fc from 'fast-check';

/** A type as it stands in a schema. */
export interface TypedValue {
  readonly type: unknown;
  readonly value: unknown;
}

let names = 0;
const nameOf = () => `Extra${names++}`;

/** Any type of Avro, with a value of it. */
export const typedValueArbitrary: fc.Arbitrary<TypedValue> = fc.letrec<{ typed: TypedValue }>(
  (tie) => ({
    typed: fc.oneof(
      { depthSize: 'small' },
      fc.constant({ type: 'null', value: null }),
      fc.boolean().map((value) => ({ type: 'boolean', value })),
      fc.integer().map((value) => ({ type: 'int', value })),
      fc.maxSafeInteger().map((value) => ({ type: 'long', value: Math.trunc(value / 2) })),
      fc.double({ noNaN: true }).map((value) => ({ type: 'double', value })),
      fc.float({ noNaN: true }).map((value) => ({ type: 'float', value })),
      fc.string().map((value) => ({ type: 'string', value })),
      fc
        .uint8Array({ maxLength: 200 })
        .map((value) => ({ type: 'bytes', value: Buffer.from(value) })),
      fc.uint8Array({ minLength: 1, maxLength: 20 }).map((value) => ({
        type: { type: 'fixed', name: nameOf(), size: value.length },
        value: Buffer.from(value),
      })),
      fc.constantFrom('A', 'B', 'C').map((value) => ({
        type: { type: 'enum', name: nameOf(), symbols: ['A', 'B', 'C'] },
        value,
      })),
      fc.tuple(tie('typed'), fc.nat({ max: 3 })).map(([{ type, value }, count]) => ({
        type: { type: 'array', items: type },
        value: Array(count).fill(value) as unknown,
      })),
      fc.tuple(tie('typed'), fc.array(fc.string(), { maxLength: 3 })).map(([typed, keys]) => ({
        type: { type: 'map', values: typed.type },
        value: Object.fromEntries(keys.map((key) => [`k${key}`, typed.value])),
      })),
      fc.array(tie('typed'), { maxLength: 3 }).map((typed) => ({
        type: {
          type: 'record',
          name: nameOf(),
          fields: typed.map(({ type }, index) => ({ name: `f${index}`, type })),
        },
        value: Object.fromEntries(typed.map(({ value }, index) => [`f${index}`, value])),
      })),
      fc.tuple(tie('typed'), fc.nat({ max: 5 })).map(([{ type, value }, length]) => {
        const name = nameOf();
        const fields = [
          { name: 'value', type },
          { name: 'next', type: ['null', name] },
        ];
        let list: unknown = { value, next: null };
        for (let index = 0; index < length; index++) list = { value, next: list };
        return { type: { type: 'record', name, fields }, value: list };
      }),
      fc.tuple(tie('typed'), fc.boolean()).map(([{ type, value }, isNull]) => ({
        type: type === 'null' || Array.isArray(type) ? type : [type, 'null'],
        value: isNull && !Array.isArray(type) ? null : value,
      })),
    ),
  }),
).typed;
