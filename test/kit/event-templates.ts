import type { AuditEvent, JsonText } from '@trailpush/datasets';

import { OPERATIONS, type Operation } from './operations.ts';
import { hex } from './hashing.ts';
import type { SeededRandom } from './random.ts';

const CONTEXTS = ['dash', 'dash', 'dash', 'api_token', 'api_token', 'api_key', 'oauth', 'api'];
const USER_AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  'Terraform/1.12.2 (+https://www.terraform.io) terraform-provider-cloudflare/5.7.1',
  'cloudflare-python/4.3.1',
  'curl/8.14.1',
  'wrangler/4.26.0',
];
const NAMES = ['alice', 'bob', 'chidi', 'dilnoza', 'eun-ji', 'fatima', 'goran', 'hanna', 'ivo'];
const DOMAINS = ['example.com', 'example.org', 'corp.example', 'büro.example', 'shop.example'];

/**
 * A realistic event of an account, different for every state of `random`: many products, people and
 * tokens, bodies of every shape. Id and time are left to the caller.
 */
export function makeEvent(random: SeededRandom, accountId: string): AuditEvent {
  const operation = random.pick(OPERATIONS);
  const bySystem = random.chance(0.05);
  const zone = operation.zoned ? { id: hex(random, 32), name: random.pick(DOMAINS) } : null;
  const resourceId = random.chance(0.9) ? hex(random, 32) : null;
  const failed = random.chance(0.02);
  return {
    id: '',
    account: { id: accountId, name: `Account ${accountId.slice(0, 8)}` },
    organization: random.chance(0.03) ? { id: hex(random, 32), name: null } : null,
    action: {
      description: operation.description,
      result: failed ? 'failure' : 'success',
      time: 0,
      type: operation.action,
    },
    actor: bySystem ? systemActor() : personActor(random),
    raw: {
      cf_ray_id: hex(random, 16),
      method: operation.method,
      status_code: failed ? random.between(500, 504) : 200,
      uri: uriOf(operation, accountId, zone?.id, resourceId),
      user_agent: random.pick(USER_AGENTS),
    },
    resource: {
      id: resourceId,
      product: operation.product,
      request: operation.request(random),
      response: failed ? '{"success":false,"errors":[{"code":10000}]}' : operation.response(random),
      scope: zone ? 'zones' : 'accounts',
      type: operation.type,
      value: valueOf(random, operation),
    },
    zone,
    interface: null,
    owner: null,
    metadata: null,
    old_value: null,
    new_value: null,
  };
}

function uriOf(
  { path }: Operation,
  accountId: string,
  zoneId: string | undefined,
  resourceId: string | null,
): string {
  const scope = zoneId === undefined ? `/accounts/${accountId}` : `/zones/${zoneId}`;
  return `/client/v4${scope}/${path}${resourceId === null ? '' : `/${resourceId}`}`;
}

/** Some products say what they changed; most do not. */
function valueOf(random: SeededRandom, operation: Operation): JsonText {
  return random.chance(0.2) ? operation.request(random) : null;
}

function personActor(random: SeededRandom): AuditEvent['actor'] {
  const context = random.pick(CONTEXTS);
  const byToken = context === 'api_token' || context === 'oauth';
  const name = random.pick(NAMES);
  return {
    context,
    email: `${name}${random.between(0, 499)}@${random.pick(DOMAINS)}`,
    id: hex(random, 32),
    ip_address: random.chance(0.3) ? ipv6(random) : ipv4(random),
    token_id: byToken ? hex(random, 32) : null,
    token_name: byToken ? `${name}'s token, "${random.pick(['CI', 'déploiement', '監査'])}"` : null,
    type: random.chance(0.1) ? 'account' : 'user',
  };
}

/** Rows of the system have empty texts, not absent ones. */
function systemActor(): AuditEvent['actor'] {
  return {
    context: '',
    email: '',
    id: '',
    ip_address: '',
    token_id: null,
    token_name: null,
    type: 'system',
  };
}

/** From the ranges that are kept for documentation. */
function ipv4(random: SeededRandom): string {
  return `${random.pick(['192.0.2', '198.51.100', '203.0.113'])}.${random.between(0, 255)}`;
}

function ipv6(random: SeededRandom): string {
  const short = random.chance(0.5);
  return short
    ? `2001:db8::${hex(random, 3)}`
    : `2001:db8:${hex(random, 16).match(/.{4}/g)?.join(':')}`;
}
