import type { Tenant } from '@trailpush/core';
import { sql } from 'kysely';

import type { Database } from '../database.ts';
import type { AuditTables } from './schema.ts';

/** Numbers that are remembered; they never change. */
const MAX_KNOWN = 100_000;

/** The numbers under which tenants are stored. */
export class Tenants {
  readonly #database: Database<AuditTables>;
  readonly #queries: Database<AuditTables>;
  readonly #known = new Map<string, number>();

  /** `queries` may be behind `database`: numbers never change. */
  constructor(database: Database<AuditTables>, queries: Database<AuditTables>) {
    this.#database = database;
    this.#queries = queries;
  }

  /** Undefined for a tenant that has no events. */
  async find({ kind, id }: Tenant): Promise<number | undefined> {
    const known = this.#known.get(nameOf({ kind, id }));
    if (known !== undefined) return known;
    const row = await this.#queries.read((kysely) =>
      kysely
        .selectFrom('audit_tenants')
        .select('tenant')
        .where('kind', '=', kind)
        .where('id', '=', id)
        .executeTakeFirst(),
    );
    if (row !== undefined) this.#remember({ kind, id }, row.tenant);
    return row?.tenant;
  }

  /** The numbers of all of them, in a map by `nameOf`; new ones get one. */
  async take(tenants: Iterable<Tenant>): Promise<ReadonlyMap<string, number>> {
    const numbers = new Map<string, number>();
    const missing = new Map<string, Tenant>();
    for (const tenant of tenants) {
      const name = nameOf(tenant);
      const known = this.#known.get(name);
      if (known === undefined) missing.set(name, tenant);
      else numbers.set(name, known);
    }
    // In one order for all processes, so that they cannot wait for one another in a circle.
    const inOrder = [...missing].toSorted(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, tenant] of inOrder) {
      const number = (await this.find(tenant)) ?? (await this.#add(tenant));
      numbers.set(name, number);
    }
    return numbers;
  }

  async #add({ kind, id }: Tenant): Promise<number> {
    const number = await this.#database.write(async (transaction) => {
      await transaction
        .insertInto('audit_tenants')
        .values({ kind, id })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const { rows } = await sql<{ tenant: number }>`
        select tenant from audit_tenants where kind = ${kind} and id = ${id}
      `.execute(transaction);
      return rows[0]?.tenant;
    });
    if (number === undefined) throw new Error(`tenant ${id} was stored and is not there`);
    this.#remember({ kind, id }, number);
    return number;
  }

  #remember(tenant: Tenant, number: number): void {
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(nameOf(tenant), number);
  }
}

export function nameOf({ kind, id }: Tenant): string {
  return `${kind} ${id}`;
}
