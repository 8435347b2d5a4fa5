import document from '@trailpush/schemas/openapi/trailpush.json' with { type: 'json' };
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { FastifyInstance } from 'fastify';

interface Response {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, unknown>>;
}
interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, Response>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation | undefined>>>>;

const PATHS = document.paths as unknown as Paths;
const METHODS = ['get', 'put', 'post', 'delete', 'patch'];

/** `GET /accounts/{account_id}`, as the document and the server both can be written. */
export const documentedRoutes: readonly string[] = Object.entries(PATHS)
  .flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => `${method.toUpperCase()} ${path}`),
  )
  .toSorted();

export const operationIds: readonly string[] = Object.values(PATHS).flatMap((item) =>
  METHODS.flatMap((method) => item[method]?.operationId ?? []),
);

/** What the server really serves, in the same form. */
export function servedRoutes(app: FastifyInstance): string[] {
  const parents: string[] = [];
  const served: string[] = [];
  for (const line of app.printRoutes({ commonPrefix: false }).trimEnd().split('\n')) {
    const match = /^(?<indent>[│ ]*)[├└]── (?<path>\S+) \((?<methods>[A-Z, ]+)\)$/.exec(line);
    const { indent = '', path = '', methods = '' } = match?.groups ?? {};
    const depth = indent.length / 4;
    parents.length = depth;
    parents[depth] = path;
    const whole = documentedPath(parents.join(''));
    for (const method of methods.split(', ')) {
      if (method !== 'HEAD') served.push(`${method} ${whole}`);
    }
  }
  return served.toSorted();
}

function documentedPath(route: string): string {
  return route.replaceAll(/:(\w+)/g, '{$1}');
}

const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);
ajv.addSchema(document, 'document');
const validators = new Map<string, ValidateFunction>();

/** What the document does not allow about an answer of a served route; undefined when all is well. */
export function breachOf(answer: {
  method: string;
  /** The pattern of the route, such as `/jobs/:id`. */
  route: string;
  status: number;
  mediaType: string;
  /** Looked into when it is JSON. */
  body: string;
}): string | undefined {
  const path = documentedPath(answer.route);
  const name = `${answer.method} ${path} ${answer.status}`;
  const method = answer.method.toLowerCase();
  const responses = PATHS[path]?.[method]?.responses;
  if (responses === undefined) return `${name} is not documented`;
  const status = String(answer.status) in responses ? String(answer.status) : 'default';
  const response = responses[status];
  if (response === undefined) return `${name}: the status is not documented`;
  const { mediaType, body } = answer;
  if (mediaType !== 'application/json') {
    if (response.content?.[mediaType] !== undefined) return undefined;
    return `${name}: ${mediaType} is not documented`;
  }
  const place = response.$ref?.slice(1) ?? pointer('paths', path, method, 'responses', status);
  const schema = `document#${place}${pointer('content', mediaType, 'schema')}`;
  const validate = validators.get(schema) ?? ajv.compile({ $ref: schema });
  validators.set(schema, validate);
  if (validate(JSON.parse(body))) return undefined;
  return `${name}: ${ajv.errorsText(validate.errors)} in ${body.slice(0, 500)}`;
}

/** A fragment of a URI that points into the document. */
function pointer(...keys: readonly string[]): string {
  return keys
    .map((key) => `/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    .join('');
}
