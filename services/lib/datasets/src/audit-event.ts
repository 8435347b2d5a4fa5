/** JSON text exactly as the producer wrote it, or null when there is none. */
export type JsonText = string | null;

/**
 * One audit event as `schemas/avro/audit_event.avsc` describes it. null means that the producer had no
 * value; an empty text is a value.
 */
export interface AuditEvent {
  id: string;
  account: { id: string; name: string | null } | null;
  organization: { id: string; name: string | null } | null;
  action: {
    description: string | null;
    result: string | null;
    /** Microseconds since the epoch, a safe integer. */
    time: number;
    type: string | null;
  };
  actor: {
    context: string | null;
    email: string | null;
    id: string | null;
    ip_address: string | null;
    token_id: string | null;
    token_name: string | null;
    type: string | null;
  };
  raw: {
    cf_ray_id: string | null;
    method: string | null;
    status_code: number | null;
    uri: string | null;
    user_agent: string | null;
  };
  resource: {
    id: string | null;
    product: string | null;
    request: JsonText;
    response: JsonText;
    scope: string | null;
    type: string | null;
    value: JsonText;
  };
  zone: { id: string | null; name: string | null } | null;
  interface: string | null;
  owner: { id: string } | null;
  metadata: JsonText;
  old_value: JsonText;
  new_value: JsonText;
}
