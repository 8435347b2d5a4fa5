/** Items of the audit API as lines of jobs with all fields and `timestamp_format` rfc3339ns. */
export type AuditItem = Readonly<Record<string, unknown>> & { readonly id: string };
export type Line = Readonly<Record<string, unknown>>;

/** As a line of `audit_logs_v2`: what is absent is an empty text or object. */
export function lineOf(item: AuditItem): Line {
  const { account, action, actor, raw, resource, zone } = sections(item);
  const some = (members: Line) =>
    Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
  return {
    AccountID: account['id'],
    AccountName: account['name'] ?? '',
    ActionDescription: action['description'] ?? '',
    ActionResult: action['result'] ?? '',
    ActionTimestamp: nanoseconds(String(action['time'])),
    ActionType: action['type'] ?? '',
    ActorContext: actor['context'] ?? '',
    ActorEmail: actor['email'] ?? '',
    ActorID: actor['id'] ?? '',
    ActorIPAddress: actor['ip_address'] ?? '',
    ActorTokenDetails: some({ token_id: actor['token_id'], token_name: actor['token_name'] }),
    ActorType: actor['type'] ?? '',
    AuditLogID: item.id,
    Raw: raw,
    ResourceID: resource['id'] ?? '',
    ResourceProduct: resource['product'] ?? '',
    ResourceRequest: valueOf(resource, 'request'),
    ResourceResponse: valueOf(resource, 'response'),
    ResourceScope: resource['scope'] ?? '',
    ResourceType: resource['type'] ?? '',
    ResourceValue: valueOf(resource, 'value'),
    ZoneID: zone['id'] ?? '',
    ZoneName: zone['name'] ?? '',
  };
}

/** As a line of `audit_logs`, in which the actor's type is the producer's own word. */
export function version1LineOf(item: AuditItem): Line {
  const { action, actor, owner, resource } = sections(item);
  return {
    ActionResult: action['result'],
    ActionType: action['type'] ?? '',
    ActorEmail: actor['email'] ?? '',
    ActorID: actor['id'] ?? '',
    ActorIP: actor['ip'] ?? '',
    ActorType: actor['type'] ?? '',
    ID: item.id,
    Interface: item['interface'] ?? '',
    Metadata: item['metadata'],
    NewValue: 'newValueJson' in item ? item['newValueJson'] : valueOf(item, 'newValue'),
    OldValue: 'oldValueJson' in item ? item['oldValueJson'] : valueOf(item, 'oldValue'),
    OwnerID: owner['id'] ?? '',
    ResourceID: resource['id'] ?? '',
    ResourceType: resource['type'] ?? '',
    When: nanoseconds(String(item['when'])),
  };
}

function sections(item: AuditItem) {
  const of = (name: string) => (item[name] ?? {}) as Line;
  return {
    ...{ account: of('account'), action: of('action'), actor: of('actor'), owner: of('owner') },
    ...{ raw: of('raw'), resource: of('resource'), zone: of('zone') },
  };
}

/** A body may be `null`, which is not the same as none. */
function valueOf(of: Line, name: string): unknown {
  return name in of ? of[name] : {};
}

/** An item has as many digits of a second as there are. */
function nanoseconds(time: string): string {
  const [, seconds = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}
