/** Undefined while all is well, else one sentence for the operator. */
export type ReadinessCheck = () => string | undefined;

/** What must be well before this process may be sent work. Destinations never are part of it. */
export class Readiness {
  readonly #checks = new Map<string, ReadinessCheck>();

  add(name: string, check: ReadinessCheck): void {
    this.#checks.set(name, check);
  }

  /** `<name>: <sentence>` of every check that fails. */
  failures(): readonly string[] {
    const failures: string[] = [];
    for (const [name, check] of this.#checks) {
      const sentence = check();
      if (sentence !== undefined) failures.push(`${name}: ${sentence}`);
    }
    return failures;
  }
}
