import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** What must not be in the repository, and what its lockfile must hold. */
const ROOT = resolve(import.meta.dirname, '../..');

/** As the makers of these credentials document them. */
const CREDENTIALS: readonly RegExp[] = [
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /\bgh[pousr]_[A-Za-z0-9]{36,}/g,
  /\bgithub_pat_\w{60,}/g,
  /\bglpat-[\w-]{20,}/g,
  /\bnpm_[A-Za-z0-9]{36}\b/g,
  /\bxox[abeprs]-[\w-]{10,}/g,
  /\b[rs]k_live_[A-Za-z0-9]{20,}/g,
  /\bAIza[\w-]{35}\b/g,
  // Ours.
  /\btp_[\w-]{43}\b/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}/g,
];

/** Characters that nobody sees, or that change the order in which others are read. */
const HIDDEN = /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu;
/** One picture made of several. */
const JOINED_PICTURES = /\p{Extended_Pictographic}(?:\u{200d}\p{Extended_Pictographic})+/gu;

/** Files that people write, by their path below the root. Golden files hold odd texts on purpose. */
export function writtenFiles(): string[] {
  const patterns = ['*', '.*', '.ci/*', '{services,schemas,test,deploy}/**/*.*'];
  const isText = /(?:^|\/)(?:Dockerfile|LICENSE|run|\.\w+)$|\.(?:ts|js|json|md|yml|avsc)$/;
  return patterns
    .flatMap((pattern) => globSync(pattern, { cwd: ROOT, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).slice(ROOT.length + 1))
    .filter((file) => isText.test(file) && !/node_modules\/|^test\/golden\//.test(file))
    .toSorted();
}

export function readFromRoot(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

/** Texts that have the shape of a credential. */
export function credentialsIn(text: string): string[] {
  return CREDENTIALS.flatMap((shape) => text.match(shape) ?? []);
}

/** Hidden characters, as `U+202E`. */
export function hiddenCharactersIn(text: string): string[] {
  const found = text.replaceAll(JOINED_PICTURES, '').match(HIDDEN) ?? [];
  return found.map((character) => `U+${character.codePointAt(0)!.toString(16).padStart(4, '0')}`);
}

type Dependencies = Readonly<Record<string, string>>;

interface Manifest {
  readonly dependencies?: Dependencies;
  readonly devDependencies?: Dependencies;
  readonly optionalDependencies?: Dependencies;
}

interface LockEntry extends Manifest {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly integrity?: string;
}

/** `package-lock.json`, as far as it is looked at. */
export interface Lockfile {
  /** By folder; that of the root is ''. */
  readonly packages: Readonly<Record<string, LockEntry>>;
}

/** Packages that would be installed without a hash of what they must be. */
export function packagesWithoutHash({ packages }: Lockfile): string[] {
  return Object.entries(packages)
    .filter(([folder, { link }]) => folder.includes('node_modules/') && link !== true)
    .filter(([, { integrity }]) => !/^sha512-/.test(integrity ?? ''))
    .map(([folder]) => folder);
}

/** Workspaces whose manifest, as `manifestOf` reads it, asks for something else than the lockfile holds. */
export function workspacesOutOfStep(
  { packages }: Lockfile,
  manifestOf: (folder: string) => Manifest,
): string[] {
  return Object.keys(packages)
    .filter((folder) => !folder.includes('node_modules/'))
    .filter((folder) => asked(packages[folder] ?? {}) !== asked(manifestOf(folder)));
}

function asked(manifest: Manifest): string {
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  const groups = [dependencies, devDependencies, optionalDependencies];
  return JSON.stringify(groups.map((group) => Object.entries(group ?? {}).toSorted()));
}
