import type { JsonText } from '@trailpush/datasets';

import { hex } from './hashing.ts';
import type { SeededRandom } from './random.ts';

/** One kind of change that the platform's API allows. */
export interface Operation {
  readonly product: string;
  readonly type: string;
  readonly description: string;
  readonly action: string;
  readonly method: string;
  readonly path: string;
  readonly zoned: boolean;
  readonly request: (random: SeededRandom) => JsonText;
  readonly response: (random: SeededRandom) => JsonText;
}

const TEXTS = [
  'Rollout of the new edge configuration',
  'temporary, remove after migration',
  'Änderung für das Büro in Köln',
  '本番環境のルール',
  'قاعدة جدار الحماية',
  'deploy 🚀 finished 👩‍👩‍👧',
  'a "quoted" \\ back/slash\tand a\nnew line',
  'line\u2028and paragraph\u2029separators, next\u0085line',
  '<script>alert(1)</script>',
  '=HYPERLINK("https://evil.example","x")',
  '\u001b[31mred\u001b[0m \u0000 \u007f',
  '',
];

const HOSTS = ['www', 'api', 'mail', 'cdn', 'staging', '*', '_dmarc', 'xn--bro-hoa'];

type Fill = (random: SeededRandom) => unknown;

function json(fill: Fill): (random: SeededRandom) => JsonText {
  return (random) => JSON.stringify(fill(random));
}

const none = (): JsonText => null;
const empty = (): JsonText => '{}';

function envelope(fill: Fill): (random: SeededRandom) => JsonText {
  return json((random) => ({ success: true, errors: [], messages: [], result: fill(random) }));
}

const dnsRecord: Fill = (random) => ({
  name: `${random.pick(HOSTS)}.example.com`,
  type: random.pick(['A', 'AAAA', 'CNAME', 'TXT']),
  content: random.pick(['192.0.2.10', '2001:db8::7', 'target.example.net', 'v=spf1 -all']),
  ttl: random.pick([1, 60, 300, 3600]),
  proxied: random.chance(0.5),
  comment: random.pick(TEXTS),
  tags: random.chance(0.3) ? ['team:network', 'env:prod'] : [],
});

const member: Fill = (random) => ({
  email: `user${random.between(0, 999)}@example.com`,
  roles: Array.from({ length: random.between(1, 3) }, () => hex(random, 32)),
  status: random.pick(['pending', 'accepted']),
});

const rule: Fill = (random) => ({
  description: random.pick(TEXTS),
  expression: `(http.request.uri.path contains "/${hex(random, 4)}" and ip.src ne 192.0.2.${random.between(0, 255)})`,
  action: random.pick(['block', 'managed_challenge', 'log', 'skip']),
  enabled: random.chance(0.9),
});

const ruleset: Fill = (random) => ({
  name: random.pick(TEXTS),
  rules: Array.from({ length: random.between(1, 4) }, () => rule(random)),
});

const accessPolicy: Fill = (random) => ({
  name: random.pick(TEXTS),
  decision: random.pick(['allow', 'deny', 'bypass']),
  include: [{ email_domain: { domain: 'example.com' } }, { group: { id: hex(random, 32) } }],
  session_duration: '24h',
});

/** Nested, but far from the limit. */
const nested: Fill = (random) => {
  let value: unknown = random.pick(TEXTS);
  for (let depth = random.between(0, 11); depth > 0; depth--) {
    value = random.chance(0.5) ? [value] : { settings: value };
  }
  return { config: value };
};

/** What JSON.parse and JSON.stringify would change: these bytes must arrive as they are. */
const EXACT_BODIES = [
  '{"created_ns":1506702504433000123,"ratio":1.50,"limit":1E400,"zero":-0.0}',
  '{"half":"\\ud83d","escaped":"\\u00e9\\/\\u2028","name":"e\u0301"}',
  '{ "spaced" : [ 1 , 2 ] , "spaced" : "twice" }',
  '[{"op":"replace","path":"/a~1b","value":null},{"op":"remove","path":"/c"}]',
  '"just a text"',
  '[]',
];

const exact = (random: SeededRandom): JsonText => random.pick(EXACT_BODIES);

/** A large body now and then, up to about 14 kB, as uploads of scripts and imports have them. */
const script = json((random) => ({
  main_module: 'worker.js',
  compatibility_date: '2026-05-01',
  bindings: Array.from(
    { length: random.chance(0.05) ? random.between(0, 119) : random.between(0, 3) },
    () => ({
      name: `BINDING_${hex(random, 6).toUpperCase()}`,
      type: random.pick(['kv_namespace', 'r2_bucket', 'secret_text', 'd1']),
      id: hex(random, 32),
    }),
  ),
}));

const METHODS: Readonly<Record<string, string>> = {
  create: 'POST',
  update: 'PATCH',
  delete: 'DELETE',
  view: 'GET',
  login: 'POST',
};

/** `what` is product, type, description, action and path. */
function operation(
  what: readonly [string, string, string, string, string],
  request: Operation['request'],
  response: Operation['response'],
): Operation {
  const [product, type, description, action, path] = what;
  const zoned = product === 'dns' || product === 'rulesets' || product === 'zones';
  const method = METHODS[action] ?? 'POST';
  return { product, type, description, action, path, zoned, method, request, response };
}

export const OPERATIONS: readonly Operation[] = [
  operation(
    ['dns', 'record', 'Create DNS Record', 'create', 'dns_records'],
    json(dnsRecord),
    envelope(dnsRecord),
  ),
  operation(
    ['dns', 'record', 'Update DNS Record', 'update', 'dns_records'],
    json(dnsRecord),
    envelope(dnsRecord),
  ),
  operation(
    ['dns', 'record', 'Delete DNS Record', 'delete', 'dns_records'],
    none,
    envelope((random) => ({ id: hex(random, 32) })),
  ),
  operation(
    ['zones', 'setting', 'Edit zone setting', 'update', 'settings'],
    json(nested),
    envelope(nested),
  ),
  operation(
    ['rulesets', 'ruleset', 'Update a zone ruleset', 'update', 'rulesets'],
    json(ruleset),
    envelope(ruleset),
  ),
  operation(['rulesets', 'rule', 'Delete a zone ruleset rule', 'delete', 'rulesets'], none, empty),
  operation(
    ['members', 'member', 'Add Member', 'create', 'members'],
    json(member),
    envelope(member),
  ),
  operation(['members', 'member', 'Remove Member', 'delete', 'members'], none, empty),
  operation(
    ['access', 'policy', 'Create an Access policy', 'create', 'access/policies'],
    json(accessPolicy),
    envelope(accessPolicy),
  ),
  operation(
    ['access', 'application', 'Update an Access application', 'update', 'access/apps'],
    json(accessPolicy),
    empty,
  ),
  operation(['access', 'login', 'LOGIN', 'update', 'login'], empty, empty),
  operation(
    ['workers', 'script', 'Upload Worker Module', 'update', 'workers/scripts'],
    script,
    envelope(nested),
  ),
  operation(
    ['workers', 'deployment', 'Create Deployment', 'create', 'workers/deployments'],
    script,
    none,
  ),
  operation(
    ['r2', 'bucket', 'Create Bucket', 'create', 'r2/buckets'],
    json((random) => ({ name: `logs-${hex(random, 6)}` })),
    empty,
  ),
  operation(['iam', 'api_token', 'Create Token', 'create', 'tokens'], json(nested), none),
  operation(['logpush', 'job', 'Update Logpush job', 'update', 'logpush/jobs'], exact, exact),
  operation(['stream', 'Video', 'Edit video details', 'update', 'stream'], exact, empty),
  operation(
    ['billing', 'subscription', 'Update Subscription', 'update', 'subscriptions'],
    exact,
    envelope(member),
  ),
];
