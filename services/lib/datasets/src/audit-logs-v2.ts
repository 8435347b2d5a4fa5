import type { Dataset } from '@trailpush/core';
import { auditDataset } from './audit-dataset.ts';
import { body, object, text, time } from './audit-field.ts';
import type { SchemaSource } from './event-reader.ts';
import type { Field } from './field.ts';

/**
 * The 23 fields of Cloudflare's dataset `audit_logs_v2`, in its order. The inner keys of `Raw` and
 * `ActorTokenDetails` are not documented there; they are those of the audit API's item.
 */
export const AUDIT_LOGS_V2_FIELDS: readonly Field[] = [
  text('AccountID', 'account.id', 'The Cloudflare account ID.'),
  text('AccountName', 'account.name', 'The Cloudflare account name.'),
  text('ActionDescription', 'action.description', 'Additional context of the action.'),
  text('ActionResult', 'action.result', 'Whether the action was successful: success or failure.'),
  time('ActionTimestamp', 'action.time', 'When the change happened.'),
  text('ActionType', 'action.type', 'Type of action taken: create, delete, update, view.'),
  text('ActorContext', 'actor.context', 'How the actor came in: dash, api_token, oauth and so on.'),
  text('ActorEmail', 'actor.email', 'Email address of the actor.'),
  text('ActorID', 'actor.id', 'Unique identifier of the actor.'),
  text('ActorIPAddress', 'actor.ip_address', 'IP address of the actor.'),
  object(
    'ActorTokenDetails',
    { token_id: 'actor.token_id', token_name: 'actor.token_name' },
    'How the actor authenticated.',
  ),
  text('ActorType', 'actor.type', 'Type of actor: account, cloudflare_admin, system, user.'),
  text('AuditLogID', 'id', 'Unique identifier of the audit log.'),
  object(
    'Raw',
    {
      cf_ray_id: 'raw.cf_ray_id',
      method: 'raw.method',
      status_code: 'raw.status_code',
      uri: 'raw.uri',
      user_agent: 'raw.user_agent',
    },
    'Facts of the HTTP request.',
  ),
  text('ResourceID', 'resource.id', 'Unique identifier of the resource.'),
  text('ResourceProduct', 'resource.product', 'Product that the resource belongs to.'),
  body('ResourceRequest', 'resource.request', 'The request, as the producer wrote it.'),
  body('ResourceResponse', 'resource.response', 'The response, as the producer wrote it.'),
  text('ResourceScope', 'resource.scope', 'Scope of the resource: accounts, user, zones.'),
  text('ResourceType', 'resource.type', 'Type of the resource.'),
  body('ResourceValue', 'resource.value', 'The value of the resource.'),
  text('ZoneID', 'zone.id', 'The zone ID, if the action was on a zone.'),
  text('ZoneName', 'zone.name', 'The zone name, if the action was on a zone.'),
];

/** The dataset `audit_logs_v2` over records of `schemas/avro/audit_event.avsc`. */
export function auditLogsV2(schemas: SchemaSource): Dataset {
  return auditDataset('audit_logs_v2', AUDIT_LOGS_V2_FIELDS, schemas);
}
