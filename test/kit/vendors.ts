import { gunzipSync } from 'node:zlib';

import type { ReceivedRequest, ReceiverAnswer } from './http-receiver.ts';

/**
 * What the documentation of vendors demands of a request, and how they answer one that falls short. None
 * of them can be run here.
 */

type Vendor = (request: ReceivedRequest) => ReceiverAnswer;

const urlOf = (request: ReceivedRequest): URL => new URL(request.url, 'https://vendor');

function linesOf({ headers, body }: ReceivedRequest): string[] | undefined {
  if (headers['content-encoding'] !== 'gzip') return undefined;
  return gunzipSync(body)
    .toString()
    .split('\n')
    .filter((line) => line !== '');
}

/** Splunk's HTTP Event Collector, raw endpoint: statuses and codes as its troubleshooting page lists them. */
export function splunkVendor({ token, channel }: { token: string; channel: string }): Vendor {
  const answer = (status: number, code: number, text: string): ReceiverAnswer => ({
    status,
    body: JSON.stringify({ text, code }),
  });
  return (request) => {
    const url = urlOf(request);
    const { authorization = '' } = request.headers;
    if (url.pathname !== '/services/collector/raw') return answer(404, 404, 'Not Found');
    if (url.searchParams.has('insecure-skip-verify')) return answer(400, 6, 'Not a parameter');
    if (authorization === '') return answer(401, 2, 'Token is required');
    if (!authorization.startsWith('Splunk ')) return answer(401, 3, 'Invalid authorization');
    if (authorization !== `Splunk ${token}`) return answer(403, 4, 'Invalid token');
    const given = url.searchParams.get('channel');
    if (given === null) return answer(400, 10, 'Data channel is missing');
    if (given !== channel) return answer(400, 11, 'Invalid data channel');
    if (url.searchParams.get('index') === 'forbidden') return answer(400, 7, 'Incorrect index');
    const lines = linesOf(request);
    return lines?.length ? answer(200, 0, 'Success') : answer(400, 5, 'No data');
  };
}

const DATADOG_TYPES = ['application/json', 'application/logplex-1', 'text/plain'];

/** Datadog's log intake: the key in a header, one log a line as `text/plain`. */
export function datadogVendor(apiKey: string): Vendor {
  return (request) => {
    const { headers } = request;
    const type = headers['content-type'] ?? '';
    const isIntake = /^\/(?:v1\/input|api\/v2\/logs)$/.test(urlOf(request).pathname);
    if (!isIntake) return { status: 404 };
    if (headers['dd-api-key'] === undefined) return { status: 401, body: 'API key is missing' };
    if (headers['dd-api-key'] !== apiKey) return { status: 403, body: 'API key is invalid' };
    const lines = linesOf(request) ?? [];
    // As application/json it must be one JSON value.
    const isOneValue = type !== 'application/json' || lines.length === 1;
    const isGood = DATADOG_TYPES.includes(type) && lines.length > 0 && isOneValue;
    return isGood ? { status: 202, body: '{}' } : { status: 400, body: 'Bad request' };
  };
}

/** Sumo Logic's HTTP source: the code in the path. */
export function sumoVendor(code: string): Vendor {
  return (request) => {
    const { pathname, search } = urlOf(request);
    if (pathname !== `/receiver/v1/http/${code}` || search !== '') {
      return { status: 401, body: '{"status":401,"code":"unauthorized"}' };
    }
    return { status: linesOf(request)?.length ? 200 : 400 };
  };
}

/** New Relic's Log API: the key in a header or the query, one of four media types. */
export function newRelicVendor(licenseKey: string): Vendor {
  return (request) => {
    const { pathname, searchParams } = urlOf(request);
    const { headers } = request;
    if (pathname !== '/log/v1') return { status: 404 };
    if ((headers['api-key'] ?? searchParams.get('Api-Key')) !== licenseKey) return { status: 403 };
    const types = ['application/json', 'json', 'application/gzip', 'gzip'];
    if (!types.includes(headers['content-type'] ?? '')) return { status: 415 };
    if (request.body.length > 1_000_000) return { status: 413 };
    return { status: linesOf(request)?.length ? 202 : 400, body: '{"requestId":"1"}' };
  };
}

/** Elastic's HTTP endpoint input as its Cloudflare Logpush integration sets it up. */
export function elasticVendor(header: string, secret: string): Vendor {
  return (request) => {
    const { headers } = request;
    if (headers[header.toLowerCase()] !== secret) {
      return { status: 401, body: '{"message":"incorrect header or header secret"}' };
    }
    if (headers['content-type'] !== 'application/json') {
      const message = 'wrong Content-Type header, expecting application/json';
      return { status: 415, body: JSON.stringify({ message }) };
    }
    const lines = linesOf(request) ?? [];
    for (const line of lines) JSON.parse(line);
    return { status: lines.length > 0 ? 200 : 406, body: '{"message":"success"}' };
  };
}
