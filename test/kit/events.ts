import { encodeEvent, type AuditEvent } from '@trailpush/datasets';

/** What tests say of an event; the rest is of no matter. */
export interface EventFacts {
  readonly id: string;
  readonly accountId: string;
  readonly actionType?: string;
  /** JSON of about this many characters goes into the request body. */
  readonly bodyChars?: number;
}

/** An audit event with every optional value absent that the facts do not name. */
export function auditEvent({ id, accountId, actionType, bodyChars }: EventFacts): AuditEvent {
  return {
    id,
    account: { id: accountId, name: null },
    organization: null,
    action: {
      description: null,
      result: 'success',
      time: 1_767_225_600_000_000,
      type: actionType ?? 'update',
    },
    actor: {
      context: null,
      email: null,
      id: null,
      ip_address: null,
      token_id: null,
      token_name: null,
      type: 'user',
    },
    raw: { cf_ray_id: null, method: null, status_code: null, uri: null, user_agent: null },
    resource: {
      id: null,
      product: null,
      request: bodyChars === undefined ? null : noise(id, bodyChars),
      response: null,
      scope: null,
      type: null,
      value: null,
    },
    zone: null,
    interface: null,
    owner: null,
    metadata: null,
    old_value: null,
    new_value: null,
  };
}

/** The event as the value of a record. */
export function eventValue(facts: EventFacts): Uint8Array {
  return encodeEvent(auditEvent(facts));
}

/** JSON text that compresses badly and is the same for the same seed. */
function noise(seed: string, chars: number): string {
  let state = 1;
  for (const char of seed) state = (Math.imul(state, 31) + char.charCodeAt(0)) >>> 0;
  let text = '"';
  while (text.length < chars - 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += state.toString(36);
  }
  return `${text}"`;
}
