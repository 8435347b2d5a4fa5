import type { Verdict } from '@trailpush/core';

import { type Conf, invalidConf, knownParams, printable, requiredParam } from './conf.ts';
import type { HttpAnswer } from './http-exchange.ts';
import type { DestinationKind, OpenableDestination } from './kind.ts';
import { parsePathTemplate } from './object-key.ts';
import { type DestinationPolicy, type NetworkTarget, parseTarget } from './policy.ts';
import { containerDepth, secretsOf } from './secrets.ts';
import { md5Of, metadataOf, openStorePut, type StoreProtocol } from './store-put.ts';

/** `azure://account.blob.core.windows.net/container[/path]?<SAS>`: Azure Blob Storage. */
export const azure: DestinationKind = { scheme: 'azure', parse };

/** Of a shared access signature for an account or a container, as the portal makes them. */
const SAS_PARAMS = [
  ...['sv', 'ss', 'srt', 'sr', 'sp', 'st', 'se', 'spr', 'sip', 'si', 'sig', 'ses', 'sdd'],
  ...['skoid', 'sktid', 'skt', 'ske', 'sks', 'skv', 'saoid', 'suoid', 'scid'],
];
const VERSION = '2023-11-03';

function parse(conf: Conf, policy: DestinationPolicy): OpenableDestination {
  const sas = knownParams(conf, SAS_PARAMS);
  checkSas(sas);
  if (conf.authority === '') throw invalidConf('azure:// needs a host');
  const target = parseTarget(`https://${conf.authority}`, 'the address', policy);
  const [container, folder] = splitPath(conf);
  // Decoded and encoded again: a plus in the signature would arrive as a space.
  const query = [...sas].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return {
    kind: 'azure',
    location: `azure://${target.url.host}/${container}`,
    pathTemplate: parsePathTemplate(folder),
    exactlyOnce: true,
    secrets: secretsOf(conf),
    open: (deps) => openStorePut(target, putBlob(target, container, query), deps),
  };
}

/** Logpush asks for a SAS with ss=b, srt=o and the permission to write. */
function checkSas(sas: ReadonlyMap<string, string>): void {
  requiredParam(sas, 'sig');
  requiredParam(sas, 'sv');
  const permissions = sas.get('sp');
  if (permissions === undefined ? !sas.has('si') : !permissions.includes('w')) {
    throw invalidConf('sp must hold w: the SAS must allow to write');
  }
  if (sas.has('ss') || sas.has('srt')) {
    if (!sas.get('ss')?.includes('b')) throw invalidConf('ss must hold b: the SAS is for blobs');
    if (!sas.get('srt')?.includes('o'))
      throw invalidConf('srt must hold o: the SAS is for objects');
  } else if (sas.get('sr') !== 'c' && sas.get('sr') !== 'd') {
    throw invalidConf('sr must be c: the SAS must be for an account or a whole container');
  }
  if (sas.has('spr') && !sas.get('spr')?.includes('https')) {
    throw invalidConf('spr must hold https');
  }
}

/** Container (with the account before it where the host does not tell it) and folder of a path. */
function splitPath(conf: Conf): [container: string, folder: string] {
  const segments = conf.path.replace(/^\//, '').split('/');
  const count = containerDepth(conf.authority);
  const names = segments.slice(0, count);
  const [container = ''] = names.slice(-1);
  if (names.length < count || container === '') {
    throw invalidConf('a container must be provided, as in azure://host/container/path');
  }
  if (!names.every((name) => /^(?=.{3,63}$)[a-z0-9](?:-?[a-z0-9])*$/.test(name))) {
    throw invalidConf(
      `container ${printable(container)} must have 3 to 63 characters of a-z, 0-9 and single hyphens`,
    );
  }
  return [names.join('/'), segments.slice(count).join('/')];
}

/** Codes of Azure that mean something else than their status says. */
const CODE_VERDICTS: ReadonlyMap<string, Verdict['kind']> = new Map<string, Verdict['kind']>([
  // The body was damaged on its way.
  ['Md5Mismatch', 'retry'],
  ['ServerBusy', 'throttled'],
  ['OperationTimedOut', 'retry'],
  ['InternalError', 'retry'],
  ['ContainerBeingDeleted', 'retry'],
  ['BlobImmutableDueToPolicy', 'refused'],
  ['InvalidBlobType', 'refused'],
  ['OperationNotAllowedOnDirectory', 'refused'],
  ['PathConflict', 'refused'],
  ['ResourceTypeMismatch', 'refused'],
]);

function putBlob(target: NetworkTarget, container: string, query: string): StoreProtocol {
  return {
    prepare(object) {
      const key = object.key.split('/').map(encodeURIComponent).join('/');
      const metadata = Object.entries(metadataOf(object.metadata, '_'));
      const request = {
        method: 'PUT' as const,
        url: new URL(`/${container}/${key}?${query}`, target.url),
        headers: new Map<string, string | number>([
          ['x-ms-blob-type', 'BlockBlob'],
          ['x-ms-version', VERSION],
          ['Content-Type', object.isPlain ? object.contentType : 'application/gzip'],
          ['Content-Length', object.bodyBytes],
          ['Content-MD5', md5Of(object)],
          ...metadata.map(([name, value]) => [`x-ms-meta-${name}`, value] as const),
        ]),
        body: object.body,
      };
      return {
        request,
        confirms: ({ status, headers }) => status === 201 && (headers.etag ?? '') !== '',
      };
    },
    explain(answer) {
      const code = codeOf(answer);
      if (code === undefined) return { words: 'the answer was no answer of Azure' };
      const verdict = CODE_VERDICTS.get(code);
      const words = `${code}: ${elementOf('Message', answer.text)}`;
      return { words, ...(verdict === undefined ? {} : { verdict }) };
    },
  };
}

/** `x-ms-error-code`, or `<Error><Code>`. */
function codeOf({ headers, text }: HttpAnswer): string | undefined {
  const header = headers['x-ms-error-code'];
  const code = typeof header === 'string' ? header : elementOf('Code', text);
  return /^\w{1,60}$/.test(code) ? code : undefined;
}

function elementOf(name: string, xml: string): string {
  return new RegExp(`<${name}>([^<]*)`).exec(xml)?.[1] ?? '';
}
