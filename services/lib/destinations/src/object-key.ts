import { invalidConf, percentDecode, printable } from './conf.ts';

/** The longest key of S3 is 1,024 bytes; the rest is for the names of objects, replays and digests. */
const MAX_PATH_BYTES = 900;
const MACRO = /\{(DATE|YEAR|MONTH|DAY|HOUR)\}/g;
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f\\/]/;

/**
 * The folder of the objects from the path of a conf: percent-decoded once, without slashes at its ends.
 * `{DATE}` is Logpush's macro; `{YEAR}`, `{MONTH}`, `{DAY}` and `{HOUR}` are ours.
 * @throws InvalidDestinationError for segments that some store, proxy or file system would read as another place.
 */
export function parsePathTemplate(rawPath: string): string {
  const trimmed = rawPath.replace(/^\//, '').replace(/\/$/, '');
  if (trimmed === '') return '';
  const segments = trimmed.split('/').map((raw) => {
    const segment = percentDecode(raw, 'the path');
    if (segment === '') throw invalidConf('the path has an empty segment: remove the double slash');
    if (segment === '.' || segment === '..') {
      throw invalidConf(`the path has a segment "${segment}": write the folder itself`);
    }
    if (FORBIDDEN.test(segment) || /%(?:2f|5c|2e|00)/i.test(segment)) {
      throw invalidConf('the path has a control character, a backslash or an encoded slash');
    }
    if (/[{}]/.test(segment.replace(MACRO, ''))) {
      throw invalidConf(
        `the path segment ${printable(segment)} has braces: the macros are {DATE}, {YEAR}, {MONTH}, {DAY} and {HOUR}`,
      );
    }
    return segment;
  });
  const path = segments.join('/');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw invalidConf(`the path is longer than ${MAX_PATH_BYTES} bytes`);
  }
  return path;
}

/**
 * The key of an object: `name` below `pathTemplate`, whose macros tell the batch's smallest broker time in
 * UTC, as YYYYMMDD, YYYY, MM, DD and HH.
 */
export function objectKey(pathTemplate: string, minTimestampMs: number, name: string): string {
  if (pathTemplate === '') return name;
  const [year = '', month = '', day = '', hour = ''] = new Date(minTimestampMs)
    .toISOString()
    .split(/[-T:]/);
  const values = new Map([
    ['DATE', `${year}${month}${day}`],
    ['YEAR', year],
    ['MONTH', month],
    ['DAY', day],
    ['HOUR', hour],
  ]);
  const path = pathTemplate.replace(MACRO, (_, macro: string) => values.get(macro) ?? '');
  return `${path}/${name}`;
}

/** The part of a path before its first macro: where everything of a job lies, whenever it was written. */
export function fixedFolder(pathTemplate: string): string {
  const segments = pathTemplate.split('/');
  const macro = segments.findIndex((segment) => segment.includes('{'));
  return (macro === -1 ? segments : segments.slice(0, macro)).join('/');
}

/**
 * The key of the probe: always the same object, replaced and never removed (credentials may only allow to
 * write). Query engines skip names that begin with an underscore.
 */
export function probeKey(pathTemplate: string): string {
  const folder = fixedFolder(pathTemplate);
  return `${folder === '' ? '' : `${folder}/`}_trailpush/test.txt.gz`;
}
