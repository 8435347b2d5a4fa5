import type { Collection } from './cases.ts';

const NO_TRANSFORMERS = 'transformers (SQL over log lines) are excluded';
const NO_INSTANT_LOGS = 'Instant Logs are excluded: there is no stream of live requests to show';
const NO_FIREWALL_EVENTS = 'a rule of firewall_events, which is no dataset here';
const NO_ENTITLEMENTS = 'whoever may make jobs may make them for every dataset and field';
const NO_DASHBOARD = 'there is no dashboard';

const NO_KIND = 'is excluded';
const BUCKET_POLICY =
  's3:// without keys is excluded: there is no AWS account that a bucket policy could name';
const HTTP_1 = 'requests are HTTP/1.1';
const OTHER_PROBE = 'others have seen another body; the documented one is sent';

/** By id or by kind, why no driver runs the entry. Take the line out when adding a driver. */
export const UNDRIVEN: Readonly<Record<Collection, Readonly<Record<string, string>>>> = {
  logpush: {
    'destination-193': BUCKET_POLICY,
    'destination-195': BUCKET_POLICY,
    'destination-201': 'its bucket is a placeholder: path-and-conf-01 refuses names that short',
    'destination-226': `sentinelone:// ${NO_KIND}`,
    'destination-229': `kinesis:// ${NO_KIND}`,
    'destination-232': `bq:// ${NO_KIND}`,
    'destination-233': `ibmcl:// ${NO_KIND}`,
    'timeout-312': HTTP_1,
    'timeout-313': HTTP_1,
    'timeout-314': HTTP_1,
    user_agent: 'requests are sent as Trailpush; header_User-Agent can say something else',
    'validation_probe-240': OTHER_PROBE,
    'validation_probe-241': OTHER_PROBE,
    'validation_probe-242': `bq:// ${NO_KIND}`,
    'api-276': NO_INSTANT_LOGS,
    'client_request-353': NO_INSTANT_LOGS,
    'error-289': NO_INSTANT_LOGS,
    'error-293': NO_TRANSFORMERS,
    'error-294': NO_TRANSFORMERS,
    'error-296': NO_TRANSFORMERS,
    transform: NO_TRANSFORMERS,
    'filter_valid-078': NO_FIREWALL_EVENTS,
    'filter_valid-079': NO_FIREWALL_EVENTS,
    'filter_valid-080': NO_FIREWALL_EVENTS,
    'delivery-317':
      'objects are cut by bytes, records and age alone, so that a backlog is few objects',
    'delivery-320':
      'what came while a job failed or was disabled is delivered, if the log still has it',
    'error-286': NO_ENTITLEMENTS,
    'error-287': NO_ENTITLEMENTS,
    'limit-188': 'kind "edge" is for http_requests alone, which is no dataset here',
    'health_code-306': 'no batch is given up for being late',
    'record-328': 'names a file of others and prints nothing of it; the formats of When are golden',
    'timestamp_default-130': NO_DASHBOARD,
  },
  badInputs: {
    'ambiguous-ack-04': 'an object is one PutObject: there are no multipart uploads',
    'dashboard-csrf': NO_DASHBOARD,
    'dashboard-xss': NO_DASHBOARD,
    'redos-02': 'there is no search by patterns',
    'secrets-03': 'the key of a database stays; another one is refused at the start',
    'secrets-05':
      'events are evidence, delivered as they were written: their producers redact them',
    'tamper-evidence': 'needs no program: the tests of `trailpush verify` tamper with a folder',
  },
};
