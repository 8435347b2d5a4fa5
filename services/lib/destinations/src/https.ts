import { Secret } from '@trailpush/core';

import { type Conf, invalidConf } from './conf.ts';
import { isHeaderParam, parseHeaders } from './http-headers.ts';
import { openHttpPost } from './http-post.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import { type DestinationPolicy, parseTarget } from './policy.ts';
import { isSecretParam, isSecretSegment } from './secrets.ts';

/** `https://host[:port]/path?[header_NAME=value&][other=value]`: any HTTP receiver. */
export const https: DestinationKind = { scheme: 'https', parse };

/** The same without TLS, for receivers in ranges that the operator allows. */
export const http: DestinationKind = { scheme: 'http', parse };

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  if (conf.authority === '') throw invalidConf(`${conf.scheme}:// needs a host`);
  const headers = parseHeaders(conf);
  // Parameters of the receiver stay as they were written; the URL parser encodes what needs it.
  const query = conf.params.filter(({ name }) => !isHeaderParam(name)).map(({ raw }) => raw);
  const address = `${conf.scheme}://${conf.authority}${conf.path}`;
  const target = parseTarget(
    query.length === 0 ? address : `${address}?${query.join('&')}`,
    'the address',
    policy,
  );
  return {
    kind: 'https',
    location: target.url.origin,
    pathTemplate: '',
    exactlyOnce: false,
    secrets: secretsOf(conf),
    open: (deps) => openHttpPost({ target, headers }, deps),
  };
}

/** Every secret value, also as a receiver may quote it: the token without `Bearer`, the password of `Basic`. */
function secretsOf(conf: Conf): Secret[] {
  const values = conf.params
    .filter(({ name, value }) => isSecretParam(conf.scheme, name, value))
    .map(({ value }) => value);
  const segments = conf.path.split('/').filter((part) => isSecretSegment(conf.scheme, part));
  const all = new Set([...values, ...segments]);
  for (const value of values) {
    const [, scheme = '', token] = /^(\S+) +(.+)$/.exec(value) ?? [];
    if (token === undefined) continue;
    all.add(token);
    if (scheme.toLowerCase() !== 'basic') continue;
    const userAndPassword = Buffer.from(token, 'base64').toString();
    all.add(userAndPassword);
    all.add(userAndPassword.slice(userAndPassword.indexOf(':') + 1));
  }
  all.delete('');
  return [...all].map((value) => new Secret(value));
}
