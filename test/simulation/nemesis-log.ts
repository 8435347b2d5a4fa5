import type { SeededRandom } from '../kit/random.ts';
import { ACCOUNTS } from './scenario.ts';
import { MAX_RECORD_BYTES } from './sim-process.ts';
import type { World } from './world.ts';

const MAX_PARTITIONS = 4;

export function logDeeds(world: World) {
  const { topic, registry } = world;
  const forAWhile = (random: SeededRandom, undo: () => void): void => {
    world.forAWhile(random.between(500, 20_000), undo);
  };
  return {
    'add partition': () => {
      if (topic.bounds().length < MAX_PARTITIONS) topic.addPartition();
    },
    retention: (random: SeededRandom) => trim(world, random),
    'log away': (random: SeededRandom) => {
      topic.unavailable = true;
      forAWhile(random, () => (topic.unavailable = false));
    },
    'schema registry away': (random: SeededRandom) => {
      registry.isAway = true;
      forAWhile(random, () => (registry.isAway = false));
    },
    'slow compression': (random: SeededRandom) => {
      world.maxCompressionMs = random.pick([20, 300]);
      forAWhile(random, () => (world.maxCompressionMs = 0));
    },
    'bad records': (random: SeededRandom) => appendBadRecords(world, random),
  };
}

function trim({ topic, stores, trace }: World, random: SeededRandom): void {
  const { partition, start, end } = random.pick(topic.bounds());
  // What nobody ever took is nobody's loss.
  if (!stores.partition(topic.topic, partition)?.epoch) return;
  const to = random.between(start, random.chance(0.5) ? end : Math.floor((start + end) / 2));
  trace?.(`partition ${partition} holds from ${to} on`);
  topic.trim(partition, to);
}

function appendBadRecords(world: World, random: SeededRandom): void {
  const account = random.pick(ACCOUNTS);
  const partition = world.topic.partitionOf(account);
  world.topic.appendRaw({ partition, key: Buffer.from(account), value: null });
  world.topic.appendRaw({ partition, key: null, value: Buffer.from('no key') });
  world.appendBad(account, Buffer.from('no event at all'));
  world.appendBad(account, Buffer.from('0 another delete old '));
  world.appendBad(account, Buffer.alloc(MAX_RECORD_BYTES + 1));
}
