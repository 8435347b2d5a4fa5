import { randomBytes } from 'node:crypto';

import { MAX_OUTBOX_ENTRIES, OutboxFullError, type NewToken, type Replay } from '@trailpush/core';
import { describe, expect, it } from 'vitest';

import { newClaim, newJob, type Suite } from './suite.ts';

const LEASE_MS = 60_000;
const BATCH = 1000;

/** Audit events about tokens, replays and what changes nothing. */
export function trailContract(suite: Suite): void {
  const { tokens, replays, outbox, trail } = {
    tokens: () => suite.stores().tokens,
    replays: () => suite.stores().replays,
    outbox: () => suite.stores().outbox,
    trail: () => suite.stores().auditTrail,
  };
  const newToken = (): NewToken => ({
    id: randomBytes(16).toString('hex'),
    hash: new Uint8Array(randomBytes(32)),
    ...{
      name: 'of a test',
      email: null,
      accountIds: ['a', 'b'],
      organizationIds: [],
      permissions: ['Logs Read'],
    },
    ...{ allowedAddresses: [], notBeforeMs: null, expiresAtMs: null },
  });
  const orderOf = (topic: string) => ({
    ...{ topic, ranges: [{ partition: 0, from: 10, to: 20 }] },
    ...{ maxRecordsPerSecond: null, destinationConf: undefined, location: 's3://bucket' },
  });
  const drain = async () => {
    const lines: string[] = [];
    for (;;) {
      const entries = await outbox().take(BATCH, LEASE_MS);
      if (entries.length === 0) return lines;
      await outbox().remove(entries.map(({ id }) => id));
      lines.push(...entries.map(({ line }) => line));
    }
  };
  const stateOf = (replay: Replay) => [`${replay.id} is ${replay.state}`];

  describe('audit events', () => {
    it('of a token are stored with its making and its first revocation', async () => {
      await drain();
      const token = newToken();
      await tokens().create(token, ({ accountIds }) =>
        (accountIds ?? []).map((id) => `made ${id}`),
      );
      await tokens().revoke(token.id, ({ revokedAtMs }) => [`revoked ${typeof revokedAtMs}`]);
      await tokens().revoke(token.id, () => ['again']);
      await tokens().revoke('nobody', () => ['nobody']);
      await expect(tokens().create(token, () => ['twice'])).rejects.toThrow();
      expect(await drain()).toEqual(['made a', 'made b', 'revoked number']);
    });

    it('of a replay are stored with its start and its cancelling, and not with its end', async () => {
      await drain();
      const { topic } = await newClaim(suite);
      const { accountId, id } = await newJob(suite);
      const replay = (await replays().start(accountId, id, orderOf(topic), stateOf))!;
      await replays().cancel(accountId, id, replay.id, stateOf);
      await replays().cancel(accountId, id, replay.id, stateOf);
      const nothing = { ...orderOf(topic), ranges: [] };
      const ended = (await replays().start(accountId, id, nothing, stateOf))!;
      await replays().cancel(accountId, id, ended.id, stateOf);
      expect(await replays().start('nobody', id, orderOf(topic), stateOf)).toBeUndefined();
      expect(await replays().cancel('nobody', id, replay.id, stateOf)).toBeUndefined();
      expect(await drain()).toEqual([
        `${replay.id} is running`,
        `${replay.id} is cancelled`,
        `${ended.id} is completed`,
      ]);
    });

    it('that have no room keep back what they tell of', async () => {
      await drain();
      const { topic } = await newClaim(suite);
      const { accountId, id } = await newJob(suite);
      const replay = (await replays().start(accountId, id, orderOf(topic)))!;
      const token = await tokens().create(newToken());
      const lines = Array.from({ length: BATCH }, (_, index) => `read ${index}`);
      for (let count = 0; count < MAX_OUTBOX_ENTRIES; count += BATCH) await trail().add(lines);
      const other = newToken();
      const told = () => ['told'];
      for (const change of [
        () => trail().add(['one more']),
        () => tokens().create(other, told),
        () => tokens().revoke(token.id, told),
        () => replays().start(accountId, id, orderOf(topic), told),
        () => replays().cancel(accountId, id, replay.id, told),
      ]) {
        await expect(change()).rejects.toThrow(OutboxFullError);
      }
      expect(await tokens().get(other.id)).toBeUndefined();
      expect((await tokens().get(token.id))?.revokedAtMs).toBeNull();
      expect((await replays().list(accountId, id, 9)).map(({ state }) => state)).toEqual([
        'running',
      ]);
      const drained = await drain();
      expect(drained).toHaveLength(MAX_OUTBOX_ENTRIES);
      expect(new Set(drained)).toEqual(new Set(lines));
    });
  });
}
