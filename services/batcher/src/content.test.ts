import { InvalidJobError, type JobContent } from '@trailpush/core';
import { datasets, WriterSchemas } from '@trailpush/datasets';
import { describe, expect, it } from 'vitest';
import { ContentCompiler } from './content.ts';

const JOB: JobContent = {
  dataset: 'audit_logs_v2',
  filter: '',
  outputOptions: null,
  logpullOptions: null,
};
const compiler = () => new ContentCompiler(datasets(new WriterSchemas({})));
const options = (members: object) => ({ ...JOB, outputOptions: JSON.stringify(members) });

describe('the content of jobs', () => {
  it('has one writer for all lines of equal bytes, whatever else differs', () => {
    const contents = compiler();
    const { writeLine, reader } = contents.compile(JOB);
    for (const same of [
      options({}),
      options({ field_names: ['*'], batch_prefix: '[', batch_suffix: ']', sample_rate: 0.5 }),
      { ...JOB, logpullOptions: 'timestamps=unixnano', filter: FILTER },
    ]) {
      expect(contents.compile(same).writeLine).toBe(writeLine);
    }
    for (const other of [
      options({ record_suffix: '}' }),
      options({ 'CVE-2021-44228': true }),
      options({ output_type: 'csv' }),
      options({ timestamp_format: 'unix' }),
    ]) {
      const content = contents.compile(other);
      expect(content.writeLine).not.toBe(writeLine);
      expect(content.reader).toBe(reader);
    }
    const version1 = contents.compile({ ...JOB, dataset: 'audit_logs' });
    expect(version1.writeLine).not.toBe(writeLine);
  });

  it('has a filter only where something may be left out', () => {
    const filterOf = (job: JobContent) => compiler().compile(job).filter;
    expect(filterOf(JOB)).toBeUndefined();
    expect(filterOf(options({ sample_rate: 1 }))).toBeUndefined();
    expect(filterOf(options({ sample_rate: 0.999 }))).toBeDefined();
    expect(filterOf({ ...JOB, filter: FILTER })).toBeDefined();
  });

  it('is refused when this version does not know what was stored', () => {
    const compile = (job: JobContent) => () => compiler().compile(job);
    expect(compile({ ...JOB, dataset: 'dns_logs' })).toThrow('there is no dataset dns_logs');
    expect(compile(options({ field_names: ['Nope'] }))).toThrow(InvalidJobError);
    expect(compile({ ...JOB, logpullOptions: 'fields=Nope' })).toThrow(InvalidJobError);
  });
});

const FILTER = '{"where":{"key":"ActionType","operator":"eq","value":"update"}}';
