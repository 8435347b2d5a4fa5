import { type Conf, invalidConf, knownParams } from './conf.ts';
import { isHeaderParam } from './http-headers.ts';
import { type DestinationPolicy, type NetworkTarget, parseTarget } from './policy.ts';

export interface PostTargetOptions {
  /** Parameters that are ours and stay here, beside `header_*`. */
  readonly ours?: (name: string) => boolean;
  /** True: the certificate is not checked, and only ranges that the operator allows may be reached. */
  readonly unverified?: boolean;
}

/**
 * Where a conf of a POST kind leads: its own address and the parameters that are the receiver's, as they
 * were written; the URL parser encodes what needs it.
 * @throws InvalidDestinationError
 */
export function postTarget(
  conf: Conf,
  protocol: 'https' | 'http',
  policy: DestinationPolicy,
  { ours = () => false, unverified = false }: PostTargetOptions = {},
): NetworkTarget {
  if (conf.authority === '') throw invalidConf(`${conf.scheme}:// needs a host`);
  const query = conf.params
    .filter(({ name }) => !isHeaderParam(name) && !ours(name))
    .map(({ raw }) => raw);
  const address = `${protocol}://${conf.authority}${conf.path}`;
  const url = query.length === 0 ? address : `${address}?${query.join('&')}`;
  return parseTarget(url, 'the address', policy, { unverified });
}

/** As `knownParams`, for kinds that also take `header_*`. */
export function knownPostParams(conf: Conf, known: readonly string[]): ReadonlyMap<string, string> {
  const params = conf.params.filter(({ name }) => !isHeaderParam(name));
  return knownParams({ ...conf, params }, [...known]);
}

/** @returns the value of a header of the conf. @throws InvalidDestinationError when it is missing */
export function requiredHeader(
  headers: ReadonlyMap<string, string>,
  name: string,
  remark: string,
): string {
  const found = [...headers].find(([key]) => key.toLowerCase() === name.toLowerCase());
  if (found === undefined) throw invalidConf(`header_${name} must be provided: ${remark}`);
  return found[1];
}
