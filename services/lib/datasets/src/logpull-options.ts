import { InvalidJobError } from '@trailpush/core';

/** Parameters of a whole Logpull URL that choose records; a job has its own place in the log. */
const WITHOUT_EFFECT = new Set(['start', 'end', 'count']);

function refuse(message: string): InvalidJobError {
  return new InvalidJobError('/logpull_options', `logpull_options: ${message}`);
}

/**
 * logpull_options, the older form of output_options: the query of a Logpull URL, or the whole URL. Returns
 * members of output_options, their values still to be checked. @throws InvalidJobError
 */
export function translateLogpullOptions(text: string): Record<string, unknown> {
  const query = /^https?:/i.test(text) || text.includes('?') ? text.replace(/^[^?]*\??/, '') : text;
  const options: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const [name, value] of new URLSearchParams(query)) {
    if (WITHOUT_EFFECT.has(name)) continue;
    if (seen.has(name)) throw refuse(`${name} is given twice`);
    seen.add(name);
    switch (name) {
      case 'fields':
        if (value !== '') options['field_names'] = value.split(',');
        break;
      case 'sample':
        options['sample_rate'] = Number(value.trim() || NaN);
        break;
      case 'timestamps':
        options['timestamp_format'] = value;
        break;
      case 'CVE-2021-44228':
        if (value !== 'true' && value !== 'false') throw refuse(`${name} must be true or false`);
        options[name] = value === 'true';
        break;
      default:
        throw refuse(
          `there is no parameter ${JSON.stringify(name)}; known are fields, sample, timestamps and CVE-2021-44228`,
        );
    }
  }
  return options;
}
