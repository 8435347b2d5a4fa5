import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  Progress,
  SecureListener,
  StartedKafka,
  StartKafkaOptions,
  TestKafka,
} from './index.ts';
import { brokerClassPath, whyNoJava } from './maven.ts';
import { checkBrokersReady } from './ready.ts';
import { freePort, kafkaVersion, secureProperties, serverProperties } from './settings.ts';

const startTimeoutMs = 60_000;

const log4jProperties = `
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
`;

/** A broker in a temporary folder, as a Java process of this one. */
export async function startJavaKafka(
  options: StartKafkaOptions,
  progress: Progress,
): Promise<StartedKafka> {
  const reason = await whyNoJava();
  if (reason !== undefined) {
    return { reason };
  }
  const classPath = await brokerClassPath(progress);
  const port = await freePort();
  const advertisedPort = (await options.advertise?.(port)) ?? port;
  const controllerPort = await freePort();
  const broker = new JavaBroker(
    classPath,
    { port, advertisedPort, controllerPort },
    options.secure,
  );
  try {
    broker.format(options.secure);
    await broker.restart();
  } catch (error) {
    await broker.stop();
    throw error;
  }
  return { kafka: broker };
}

class JavaBroker implements TestKafka {
  readonly brokers: string[];
  readonly description = `Apache Kafka ${kafkaVersion} (Java)`;
  readonly #folder = mkdtempSync(join(tmpdir(), 'trailpush-kafka-'));
  readonly #classPath: string;
  #process: ChildProcess | undefined;
  #guard: ChildProcess | undefined;

  constructor(
    classPath: string,
    ports: {
      readonly port: number;
      readonly advertisedPort: number;
      readonly controllerPort: number;
    },
    secure: SecureListener | undefined,
  ) {
    this.#classPath = classPath;
    this.brokers = [`127.0.0.1:${ports.advertisedPort}`];
    const plain = serverProperties({
      bindHost: '127.0.0.1',
      advertisedHost: '127.0.0.1',
      ...ports,
      dataFolder: join(this.#folder, 'data'),
    });
    const properties = secure ? { ...plain, ...secureProperties(secure, plain) } : plain;
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}`);
    writeFileSync(join(this.#folder, 'server.properties'), lines.join('\n'));
    writeFileSync(join(this.#folder, 'log4j2.properties'), log4jProperties);
  }

  format(secure: SecureListener | undefined): void {
    const clusterId = randomBytes(16).toString('base64url');
    const format = ['format', '--config', 'server.properties', '--cluster-id', clusterId];
    if (secure) {
      const user = `[name=${secure.username},password=${secure.password}]`;
      format.push('--add-scram', `SCRAM-SHA-512=${user}`);
    }
    const { status, stdout, stderr } = spawnSync(
      'java',
      this.#javaArguments('kafka.tools.StorageTool', format),
      { cwd: this.#folder, encoding: 'utf8' },
    );
    if (status !== 0) {
      throw new Error(`the storage of Kafka could not be formatted: ${stdout}${stderr}`);
    }
  }

  async restart(): Promise<void> {
    await this.#end('SIGTERM');
    const output = openSync(join(this.#folder, 'output.txt'), 'a');
    const child = spawn('java', this.#javaArguments('kafka.Kafka', ['server.properties']), {
      cwd: this.#folder,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    this.#process = child;
    this.#guard = guardOf(child, this.#folder);
    try {
      await checkBrokersReady(this.brokers, startTimeoutMs, () => child.exitCode === null);
    } catch (error) {
      const tail = readFileSync(join(this.#folder, 'output.txt'), 'utf8').slice(-8_000);
      throw new Error(`${String(error)}\nOutput of the broker:\n${tail}`, { cause: error });
    }
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    // Its data are deleted, so that it need not be asked politely.
    await this.#end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined) {
      return;
    }
    this.#process = undefined;
    this.#guard?.kill('SIGKILL');
    if (child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const impatience = setTimeout(() => child.kill('SIGKILL'), 15_000);
    child.kill(signal);
    await ended;
    clearTimeout(impatience);
  }

  #javaArguments(mainClass: string, args: string[]): string[] {
    return [
      '-Xmx512m',
      '-XX:+UseSerialGC',
      '-Dlog4j2.configurationFile=log4j2.properties',
      '-cp',
      this.#classPath,
      mainClass,
      ...args,
    ];
  }
}

/** Ends the broker and deletes its folder when this process is gone, however it ended. */
function guardOf(broker: ChildProcess, folder: string): ChildProcess {
  // A read from us returns when we write, which we never do, or when we are no more.
  const script = 'read -r _; kill -9 "$0"; rm -rf "$1"';
  const guard = spawn('sh', ['-c', script, String(broker.pid), folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  return guard;
}
