import { randomBytes } from 'node:crypto';

import { PERMISSIONS, type NewToken } from '@trailpush/core';
import { systemClock } from '@trailpush/runtime';
import { describe, expect, it } from 'vitest';

import { SECRET_KEY, type Suite } from './suite.ts';

function newToken(changes: Partial<NewToken> = {}): NewToken {
  return {
    id: randomBytes(16).toString('hex'),
    hash: new Uint8Array(randomBytes(32)),
    name: 'of "Ann" \u2028',
    email: 'ann@example.com',
    accountIds: ['a1', 'a2'],
    organizationIds: ['a1', 'o1'],
    permissions: [...PERMISSIONS],
    allowedAddresses: ['192.0.2.0/24', '2001:db8::/32'],
    notBeforeMs: 1,
    expiresAtMs: Number.MAX_SAFE_INTEGER,
    ...changes,
  };
}

export function tokenContract(suite: Suite): void {
  const tokens = () => suite.stores().tokens;

  describe('a token', () => {
    it.each<[string, Partial<NewToken>]>([
      ['with every limit', {}],
      [
        'for everything',
        {
          email: null,
          accountIds: null,
          organizationIds: [],
          allowedAddresses: [],
          notBeforeMs: null,
          expiresAtMs: null,
        },
      ],
      ['for nothing', { accountIds: [], organizationIds: [], permissions: [] }],
    ])('comes back as it was created: %s', async (_what, changes) => {
      const token = newToken(changes);
      const created = await tokens().create(token);
      expect(created).toEqual({ ...token, createdAtMs: created.createdAtMs, revokedAtMs: null });
      expect(Math.abs(Date.now() - created.createdAtMs)).toBeLessThan(60_000);
      expect(await tokens().get(token.id)).toEqual(created);
      expect(await tokens().list()).toContainEqual(created);
    });

    it('is not there under another id', async () => {
      const { id } = await tokens().create(newToken());
      expect(await tokens().get(`${id}0`)).toBeUndefined();
      expect(await tokens().get(id.toUpperCase().replace(/[0-9]/g, 'F'))).toBeUndefined();
      expect(await tokens().get('')).toBeUndefined();
      expect(await tokens().revoke('')).toBeUndefined();
    });

    it('is made once', async () => {
      const token = newToken();
      await tokens().create(token);
      await expect(tokens().create({ ...token, permissions: [] })).rejects.toThrow();
      expect((await tokens().get(token.id))?.permissions).toEqual(PERMISSIONS);
    });

    it('is revoked for good, at the time of the first revocation', async () => {
      const [revoked, kept] = [
        await tokens().create(newToken()),
        await tokens().create(newToken()),
      ];
      const first = await tokens().revoke(revoked.id);
      expect(first).toEqual({ ...revoked, revokedAtMs: expect.any(Number) as number });
      expect(await tokens().revoke(revoked.id)).toEqual(first);
      expect(await tokens().get(revoked.id)).toEqual(first);
      expect(await tokens().get(kept.id)).toEqual(kept);
    });

    it('is revoked for other processes at once', async () => {
      const other = await suite.place().open({ secretKey: SECRET_KEY, clock: systemClock });
      const { id } = await tokens().create(newToken());
      expect((await other.tokens.get(id))?.revokedAtMs).toBeNull();
      await tokens().revoke(id);
      expect((await other.tokens.get(id))?.revokedAtMs).not.toBeNull();
      await other.close();
    });
  });
}
