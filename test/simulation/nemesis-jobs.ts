import { Secret, type JobSpec } from '@trailpush/core';
import type { SeededRandom } from '../kit/random.ts';
import type { Act } from './nemesis.ts';
import { cutOff } from './nemesis-processes.ts';
import { DELETES_ONLY, MARKED } from './plain-dataset.ts';
import { ACCOUNTS, LOCATIONS } from './scenario.ts';
import type { World } from './world.ts';

const MAX_JOBS = 6;

export function jobDeeds(world: World) {
  const one =
    (act: (id: number, spec: JobSpec, random: SeededRandom) => void): Act =>
    (random) => {
      const { jobs } = world;
      if (jobs.length === 0) return;
      const { id, spec } = random.pick(jobs);
      act(id, spec, random);
    };
  return {
    'create job': (random: SeededRandom) => {
      if (world.jobs.length < MAX_JOBS) createJob(world, random);
    },
    'delete job': one((id) => {
      // Without a job there would be nothing left to look at.
      if (world.jobs.length > 1) world.deleteJob(id);
    }),
    'disable or enable job': one((id, { enabled }) => world.updateJob(id, { enabled: !enabled })),
    'change content': one((id, { filter, outputOptions }, random) => {
      if (random.chance(0.5)) world.updateJob(id, { filter: filter ? '' : DELETES_ONLY });
      else world.updateJob(id, { outputOptions: outputOptions === null ? MARKED : null });
    }),
    'change destination': one((id, _, random) => {
      world.updateJob(id, { destinationConf: new Secret(newConf(world, random)) });
    }),
    'change limits': one((id, _, random) => world.updateJob(id, limits(random))),
    'empty job set': (random: SeededRandom) => emptyJobSet(world, random),
  };
}

/** All jobs vanish, perhaps while a process does not even know of one of them, and then takes over partitions. */
function emptyJobSet(world: World, random: SeededRandom): void {
  const { stores } = world;
  const awayMs = random.chance(0.5) ? random.between(3_000, 8_000) : 0;
  const [unaware, other] = awayMs > 0 ? world.alive : [];
  if (unaware && other) {
    unaware.store.isAway = true;
    createJob(world, random);
  }
  let isOver = false;
  world.clock.after(awayMs, () => {
    if (isOver) return;
    for (const id of stores.jobs.keys()) stores.vanished.add(id);
    stores.changed();
    unaware?.store.heal();
    if (unaware && other) cutOff(world, other, random.between(0, 20_000));
  });
  world.forAWhile(awayMs + random.between(1_000, 20_000), () => {
    isOver = true;
    unaware?.store.heal();
    stores.vanished.clear();
    stores.changed();
  });
}

/** A job of chance, at the present end of the log. */
export function createJob(world: World, random: SeededRandom): void {
  const { id, spec } = world.createJob(
    random.pick(ACCOUNTS),
    {
      filter: random.chance(0.3) ? DELETES_ONLY : '',
      outputOptions: random.chance(0.3) ? MARKED : null,
      enabled: random.chance(0.9),
      ...limits(random),
    },
    newConf(world, random),
  );
  world.trace?.(`job ${id} at ${spec.destinationConf.reveal()}, enabled ${spec.enabled}`);
}

/** A folder that is nobody else's, anywhere. */
export function newConf(world: World, random: SeededRandom): string {
  return `mem://${random.pick(LOCATIONS)}/${world.newFolder()}/{DATE}`;
}

function limits(random: SeededRandom) {
  return {
    maxUploadRecords: random.pick([1, 3, 10, 0]),
    maxUploadIntervalSeconds: random.pick([1, 3, 10]),
    maxUploadBytes: random.pick([0, 0, 2_000]),
  };
}
