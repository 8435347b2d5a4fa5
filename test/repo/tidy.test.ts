import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/**
 * The rules of the repository that no linter knows, so that they do not rot: who may import whom, what
 * may touch time and the environment, how long files and functions may be, and that documents name
 * only what exists.
 */
const ROOT = resolve(import.meta.dirname, '../..');
const MAX_FILE_LINES = 300;
/** Doubles of whole ports are longer; they are read from their port's contract. */
const MAX_KIT_FILE_LINES = 400;
const MAX_FUNCTION_LINES = 80;

function files(...patterns: string[]): string[] {
  return patterns
    .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
    .filter((file) => !file.includes('node_modules'))
    .toSorted();
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

const SOURCES = files('services/**/*.ts').filter((file) => !file.endsWith('.d.ts'));
const PRODUCTION = SOURCES.filter((file) => !file.endsWith('.test.ts'));
const CODE = [...SOURCES, ...files('test/**/*.ts').filter((file) => !file.endsWith('.d.ts'))];

/** `services/lib/log/src/x.ts` -> `log`; `services/api/src/x.ts` -> `api`. */
function packageOf(file: string): string {
  const [, first = '', second = ''] = file.split('/');
  return first === 'lib' ? second : first;
}

const LIBRARIES = ['datasets', 'destinations', 'log', 'stores'];
/** Ours that a package may import. Services may import every library; only `cli` composes services. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  runtime: ['core'],
  datasets: ['core', 'schemas'],
  destinations: ['core'],
  log: ['core'],
  stores: ['core'],
  batcher: ['core', 'runtime', ...LIBRARIES],
  indexer: ['core', 'runtime', ...LIBRARIES],
  api: ['core', 'runtime', 'schemas', ...LIBRARIES],
  cli: ['core', 'runtime', 'api', 'batcher', 'indexer', ...LIBRARIES],
};

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
}

function lineSpan(node: ts.Node, source: ts.SourceFile): number {
  const from = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
  return source.getLineAndCharacterOfPosition(node.getEnd()).line - from + 1;
}

function longFunctions(file: string): string[] {
  const source = parse(file);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const isFunction =
      ts.isFunctionDeclaration(node) ||
      ts.isMethodDeclaration(node) ||
      ts.isConstructorDeclaration(node) ||
      ((ts.isArrowFunction(node) || ts.isFunctionExpression(node)) && !isSuite(node));
    if (isFunction && lineSpan(node, source) > MAX_FUNCTION_LINES) {
      const at = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      found.push(`${file}:${at} has ${lineSpan(node, source)} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The callback of `describe`, or a contract suite: a list of tests, not a function to understand. */
function isSuite(node: ts.Node): boolean {
  return ts.isCallExpression(node.parent) && /^describe\b/.test(node.parent.expression.getText());
}

describe('the repository', () => {
  it('keeps its import directions', () => {
    const wrong = PRODUCTION.flatMap((file) => {
      const allowed = MAY_IMPORT[packageOf(file)] ?? [];
      const imported = [...read(file).matchAll(/from '@trailpush\/([\w-]+)/g)].map(
        ([, name]) => name ?? '',
      );
      return imported
        .filter((name) => name !== packageOf(file) && !allowed.includes(name))
        .map((name) => `${file} imports @trailpush/${name}`);
    });
    expect(wrong).toEqual([]);
  });

  it('enters packages by their index alone', () => {
    const wrong = PRODUCTION.filter((file) =>
      /from '(?:\.\.\/)+(?:lib|services|core|runtime|datasets|destinations|log|stores|batcher|indexer|api)\//.test(
        read(file),
      ),
    );
    expect(wrong).toEqual([]);
  });

  it('reads the environment in the configuration only', () => {
    const allowed = ['services/lib/runtime/src/config.ts'];
    const wrong = PRODUCTION.filter((file) => /\bprocess\.env\b/.test(withoutComments(file)));
    expect(wrong.filter((file) => !allowed.includes(file))).toEqual([]);
  });

  it('touches time in the clock only', () => {
    const wrong = PRODUCTION.filter(
      (file) =>
        file !== 'services/lib/runtime/src/clock.ts' &&
        /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])(?:setTimeout|setInterval)\(|\bperformance\.now\(/.test(
          withoutComments(file),
        ),
    );
    expect(wrong).toEqual([]);
  });

  it('logs through the logger and has no leftover markers', () => {
    const wrong = PRODUCTION.filter((file) =>
      /\bconsole\.|\b(?:TODO|FIXME|XXX)\b/.test(read(file)),
    );
    expect(wrong).toEqual([]);
  });

  it('keeps files and functions short', () => {
    const long = CODE.filter((file) => {
      const limit = file.startsWith('test/kit/') ? MAX_KIT_FILE_LINES : MAX_FILE_LINES;
      return read(file).split('\n').length > limit;
    });
    expect(long).toEqual([]);
    expect(PRODUCTION.flatMap(longFunctions)).toEqual([]);
  });

  it('has a contract test for every kind of destination', () => {
    const registry = read('services/lib/destinations/src/registry.ts');
    const [, list = ''] = /DESTINATION_KINDS[^=]*= \[([^\]]*)\]/.exec(registry) ?? [];
    const kinds = list
      .split(',')
      .map((kind) => kind.trim())
      .filter((kind) => kind !== '');
    expect(kinds.length).toBeGreaterThan(0);
    const tests = files('services/lib/destinations/src/*.contract.test.ts').map(read).join('\n');
    expect(kinds.filter((kind) => !tests.includes(`destinationContract('${kind}`))).toEqual([]);
  });

  it('names only what exists in its documents', () => {
    const broken = files('*.md', 'test/**/*.md').flatMap((file) => {
      const text = read(file);
      const links = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(
        ([, path]) => path ?? '',
      );
      const paths = [...text.matchAll(/`((?:services|schemas|test|deploy)\/[\w./-]+)`/g)].map(
        ([, path]) => `/${path ?? ''}`,
      );
      return [...links, ...paths]
        .map((path) => (path.startsWith('/') ? join(ROOT, path) : join(ROOT, dirname(file), path)))
        .filter((path) => !existsSync(path))
        .map((path) => `${file} names ${path.slice(ROOT.length + 1)}`);
    });
    expect(broken).toEqual([]);
  });
});

function withoutComments(file: string): string {
  return read(file)
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/\/\/.*$/gm, '');
}
