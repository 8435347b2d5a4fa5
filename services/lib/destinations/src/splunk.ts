import type { Verdict } from '@trailpush/core';

import { type Conf, invalidConf, printable, requiredParam } from './conf.ts';
import { parseHeaders } from './http-headers.ts';
import { type HttpPostOptions, openHttpPost } from './http-post.ts';
import type { DestinationDeps, DestinationKind, OpenableDestination, Uploader } from './kind.ts';
import type { DestinationPolicy } from './policy.ts';
import { knownPostParams, postTarget, requiredHeader } from './post-conf.ts';
import { secretsOf } from './secrets.ts';

/**
 * `splunk://host[:443|:8088]/services/collector/raw?channel=GUID&header_Authorization=Splunk%20TOKEN
 * [&sourcetype=&insecure-skip-verify=]`: Splunk's HTTP Event Collector.
 */
export const splunk: DestinationKind = { scheme: 'splunk', parse };

const SKIP_VERIFY = 'insecure-skip-verify';
/** Those of Logpush, and those that the raw endpoint knows beside them. */
const PARAMS = ['channel', SKIP_VERIFY, 'sourcetype', 'source', 'index', 'host'];

/**
 * What Splunk's own codes mean where its status does not tell: codes of 400 that are about the token or
 * the conf, and not about this body.
 */
const CODE_VERDICTS: ReadonlyMap<number, 'refused'> = new Map([
  [7, 'refused'], // incorrect index
  [10, 'refused'], // data channel is missing
  [11, 'refused'], // invalid data channel
  [14, 'refused'], // acknowledgements are disabled
  [16, 'refused'], // query string authorization is not enabled
]);

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  const params = knownPostParams(conf, PARAMS);
  const headers = parseHeaders(conf);
  if (!/^\/services\/collector\/raw\/?$/.test(conf.path)) {
    throw invalidConf('the path must be /services/collector/raw');
  }
  requiredParam(params, 'channel');
  requiredHeader(headers, 'Authorization', 'Splunk%20 and the token of the HTTP Event Collector');
  const target = postTarget(conf, 'https', policy, {
    ours: (name) => name === SKIP_VERIFY,
    unverified: skipsVerify(params.get(SKIP_VERIFY), policy),
  });
  if (target.url.port !== '' && target.url.port !== '8088') {
    throw invalidConf(`the address has port ${target.url.port}: it can only be 443 or 8088`);
  }
  return {
    kind: 'splunk',
    location: `splunk://${target.url.host}`,
    pathTemplate: '',
    exactlyOnce: false,
    secrets: secretsOf(conf),
    open: (deps) => openSplunk({ target, headers }, deps),
  };
}

/** Where plain `http://` is allowed, TLS without verification is no worse; nowhere else. */
function skipsVerify(value: string | undefined, policy: DestinationPolicy): boolean {
  if (value === undefined || value === 'false') return false;
  if (value !== 'true') {
    throw invalidConf(`${SKIP_VERIFY} ${printable(value)} must be true or false`);
  }
  if (policy.allowPrivate.length === 0) {
    throw invalidConf(
      `${SKIP_VERIFY}=true is only for ranges that an operator allows with TRAILPUSH_ALLOW_PRIVATE_DESTINATIONS: trust the certificate with NODE_EXTRA_CA_CERTS instead`,
    );
  }
  return true;
}

export function openSplunk(
  options: Pick<HttpPostOptions, 'target' | 'headers'>,
  deps: DestinationDeps,
): Uploader {
  return openHttpPost({ ...options, judgeWords }, deps);
}

/** Success is 200 with code 0; a proxy's 200, or another code, is doubt. */
function judgeWords(status: number, text: string): Verdict | undefined {
  const code = codeOf(text);
  if (status >= 200 && status < 300) {
    return { kind: status === 200 && code === 0 ? 'delivered' : 'retry' };
  }
  const kind = code === undefined ? undefined : CODE_VERDICTS.get(code);
  return kind === undefined ? undefined : { kind };
}

/** `code` of `{"text":"Success","code":0}`. */
function codeOf(text: string): number | undefined {
  try {
    const answer = JSON.parse(text) as { readonly code?: unknown } | null;
    return typeof answer?.code === 'number' ? answer.code : undefined;
  } catch {
    return undefined;
  }
}
