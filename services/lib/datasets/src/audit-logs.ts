import type { Dataset } from '@trailpush/core';
import { auditDataset } from './audit-dataset.ts';
import { body, text, time } from './audit-field.ts';
import { slotOf } from './audit-leaves.ts';
import type { SchemaSource } from './event-reader.ts';
import type { Field } from './field.ts';

/**
 * The 15 fields of Cloudflare's dataset `audit_logs` (version 1), in its order. Its `ActionResult` is a
 * bool, where that of version 2 is a text.
 */
const FIELDS: readonly Field[] = [
  {
    name: 'ActionResult',
    type: 'bool',
    slot: slotOf('action.result'),
    trueText: 'success',
    description: 'Whether the action was successful.',
  },
  text('ActionType', 'action.type', 'Type of action taken.'),
  text('ActorEmail', 'actor.email', 'Email address of the actor.'),
  text('ActorID', 'actor.id', 'Unique identifier of the actor.'),
  text('ActorIP', 'actor.ip_address', 'IP address of the actor.'),
  text('ActorType', 'actor.type', 'Type of actor: user, admin, Cloudflare.'),
  text('ID', 'id', 'Unique identifier of the audit log.'),
  text('Interface', 'interface', 'Entry point of the change: UI or API.'),
  body('Metadata', 'metadata', 'Further facts of the change, as the producer wrote them.'),
  body('NewValue', 'new_value', 'The value after the change, as the producer wrote it.'),
  body('OldValue', 'old_value', 'The value before the change, as the producer wrote it.'),
  text('OwnerID', 'owner.id', 'Identifier of the owner of the resource.'),
  text('ResourceID', 'resource.id', 'Unique identifier of the resource.'),
  text('ResourceType', 'resource.type', 'Type of the resource.'),
  time('When', 'action.time', 'When the change happened.'),
];

/** The dataset `audit_logs` over the same records as `audit_logs_v2`. */
export function auditLogs(schemas: SchemaSource): Dataset {
  return auditDataset('audit_logs', FIELDS, schemas);
}
