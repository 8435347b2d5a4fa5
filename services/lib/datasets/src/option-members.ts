import { InvalidJobError } from '@trailpush/core';

/** An error that names the member of output_options. */
export function refuseOption(member: string, message: string): InvalidJobError {
  const pointer = member.replaceAll('~', '~0').replaceAll('/', '~1');
  return new InvalidJobError(`/output_options/${pointer}`, `output_options.${member}: ${message}`);
}

/** Members of output_options by name; null asks for the default. All readers throw InvalidJobError. */
export class OptionMembers {
  readonly #members: ReadonlyMap<string, unknown>;

  constructor(members: ReadonlyMap<string, unknown>) {
    this.#members = members;
  }

  get(name: string): unknown {
    return this.#members.get(name) ?? undefined;
  }

  choice<T extends string>(name: string, known: readonly T[], byDefault: T): T {
    const value = this.get(name) ?? byDefault;
    const found = known.find((each) => each === value);
    if (found === undefined) throw refuseOption(name, `must be one of ${known.join(', ')}`);
    return found;
  }

  bool(name: string): boolean {
    const value = this.get(name) ?? false;
    if (typeof value !== 'boolean') throw refuseOption(name, 'must be true or false');
    return value;
  }

  text(name: string, byDefault: string, maxBytes: number): string {
    const value = this.get(name) ?? byDefault;
    if (typeof value !== 'string') throw refuseOption(name, 'must be a text');
    if (!value.isWellFormed()) {
      throw refuseOption(name, 'has half a surrogate pair, which UTF-8 cannot hold');
    }
    const bytes = Buffer.byteLength(value);
    if (bytes > maxBytes) {
      throw refuseOption(name, `has ${bytes} bytes, and ${maxBytes} are allowed`);
    }
    return value;
  }
}
