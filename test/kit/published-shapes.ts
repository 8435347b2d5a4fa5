import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

import shapes from '../cases/audit-shapes.json' with { type: 'json' };

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema({ $defs: shapes.$defs }, 'shapes');

const ROUTES = shapes.routes as Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Routes that Cloudflare publishes shapes for. */
export const publishedRoutes: readonly string[] = Object.keys(ROUTES);

/**
 * How an answer (JSON) differs from what Cloudflare publishes for it; undefined when it does not, and for
 * routes that Cloudflare does not have.
 * @param route the pattern, such as `/user/audit_logs`
 */
export function shapeBreachOf(route: string, status: number, body: string): string | undefined {
  const published = ROUTES[route];
  const name = published?.[String(status)] ?? published?.[`${String(status)[0] ?? ''}XX`];
  if (name === undefined) return undefined;
  const schema = `shapes#/$defs/${name}`;
  const validate = ajv.getSchema(schema) ?? ajv.compile({ $ref: schema });
  if (validate(JSON.parse(body))) return undefined;
  return `${route} ${status}: ${ajv.errorsText(validate.errors)} in ${body.slice(0, 500)}`;
}
