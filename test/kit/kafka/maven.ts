import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Progress } from './index.ts';
import { kafkaVersion } from './settings.ts';

const pomFile = join(import.meta.dirname, 'pom.xml');

/** Why Java or Maven cannot be used, or undefined when both can. */
export async function whyNoJava(): Promise<string | undefined> {
  const java = await outputOf('java', ['-version']);
  const major = Number(/version "(\d+)/.exec(java ?? '')?.[1] ?? 0);
  if (major < 17) {
    return java === undefined ? 'no java' : `java is ${major}, and Kafka needs 17`;
  }
  if (existsSync(libraryFolder())) {
    return undefined;
  }
  return (await outputOf('mvn', ['-v'])) === undefined ? 'no mvn' : undefined;
}

/** The class path of the broker; downloads it with Maven the first time. @throws Error when Maven fails */
export async function brokerClassPath(progress: Progress): Promise<string> {
  const folder = libraryFolder();
  if (!existsSync(folder)) {
    mkdirSync(dirname(folder), { recursive: true });
    // Complete or absent: two test runs may come here at the same time, and each may be interrupted.
    const unfinished = mkdtempSync(`${folder}-`);
    try {
      await downloadWithMaven(unfinished, progress);
      renameSync(unfinished, folder);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      if (!existsSync(folder)) {
        throw error;
      }
    }
  }
  return join(folder, '*');
}

function libraryFolder(): string {
  const hash = createHash('sha256').update(readFileSync(pomFile)).digest('hex').slice(0, 12);
  return join(import.meta.dirname, 'target', `lib-${hash}`);
}

async function downloadWithMaven(folder: string, progress: Progress): Promise<void> {
  progress(`fetching Apache Kafka ${kafkaVersion} with Maven (about 45 MB, once)`);
  const startMs = performance.now();
  const seconds = (): string => `${Math.round((performance.now() - startMs) / 1000)} s`;
  const ticker = setInterval(() => {
    progress(`still fetching Apache Kafka, ${seconds()}`);
  }, 10_000);
  const lines: string[] = [];
  try {
    const child = spawn(
      'mvn',
      ['-B', '-f', pomFile, 'dependency:copy-dependencies', `-DoutputDirectory=${folder}`],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        lines.push(...text.split('\n'));
        lines.splice(0, lines.length - 30);
      });
    }
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject).once('close', resolve);
    });
    if (code !== 0) {
      throw new Error(`Maven could not fetch Apache Kafka:\n${lines.join('\n')}`);
    }
  } finally {
    clearInterval(ticker);
  }
  progress(`fetched in ${seconds()}`);
}

/** Both outputs of a command, or undefined when it cannot be run. */
async function outputOf(command: string, args: string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 10_000 }, (error, stdout, stderr) => {
      resolve(error === null ? stdout + stderr : undefined);
    });
  });
}
