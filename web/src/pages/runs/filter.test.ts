import { expect, test } from 'vitest';
import type { Run } from '../../api/client';
import { fits, type RunQuery } from './filter';
import { titleIn } from './words';

const all: RunQuery = { job: '', kind: '', state: '', from: '', to: '', isOldestFirst: false };
const run = (more: Partial<Run>) =>
  ({ id: 'r', kind: 'backup', state: 'failed', createdAt: '2026-05-12T12:00:00Z', title: 'shop', ...more }) as Run;

test('a run belongs to the list by its state, type, job and day', () => {
  expect(fits(run({}), all)).toBe(true);
  expect(fits(run({ state: 'interrupted' }), { ...all, state: 'failed' })).toBe(true);
  expect(fits(run({ state: 'succeeded' }), { ...all, state: 'failed' })).toBe(false);
  expect(fits(run({}), { ...all, kind: 'restore' })).toBe(false);
  expect(fits(run({ jobId: 'j' }), { ...all, job: 'other' })).toBe(false);
  expect(fits(run({}), { ...all, from: '2026-05-10', to: '2026-05-13' })).toBe(true);
  expect(fits(run({}), { ...all, from: '2026-05-14' })).toBe(false);
  expect(fits(run({}), { ...all, to: '2026-05-10' })).toBe(false);
});

test('a restore and a copy are named by what is stored and where it goes', () => {
  const names = new Map([
    ['s', 'Shop'],
    ['d', 'NAS'],
  ]);
  const path = 'shop/backup_2026-05-12T03-00-04.dump.zst';
  const restore = run({
    kind: 'restore',
    title: 'raw',
    request: { path, sourceId: 's', database: 'shop_restored' } as never,
  });
  expect(titleIn(restore, names)).toBe('shop (2026-05-12 03:00 UTC) → Shop / shop_restored');
  expect(titleIn(run({ kind: 'copy', title: 'raw', request: { path, toDestinationId: 'd' } as never }), names)).toBe(
    'shop (2026-05-12 03:00 UTC) → NAS',
  );
  // What is removed since has no name.
  expect(titleIn(restore, new Map())).toBe('raw');
  expect(titleIn(run({}), names)).toBe('shop');
});
