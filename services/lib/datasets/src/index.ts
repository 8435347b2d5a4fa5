export type { AuditEvent, JsonText } from './audit-event.ts';
export { confluentEncoder, encodeEvent, type EventEncoder } from './event-codec.ts';
export { parseEventItem, type ItemOptions, type ItemResult } from './event-item.ts';
export { EVENT_SCHEMA, type AvroSchema } from './event-schema.ts';
export { datasets } from './registry.ts';
export { SchemaRegistry, type SchemaRegistryOptions } from './schema-registry.ts';
export { WriterSchemas, type WriterSchemasOptions } from './writer-schemas.ts';
