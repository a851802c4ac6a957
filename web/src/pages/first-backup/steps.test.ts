import { expect, test } from 'vitest';
import type { Destination, Job, Source } from '../../api/client';
import { firstSteps } from './steps';

const source = { id: 's' } as Source;
const destination = (status: Destination['authorization']['status']) =>
  ({ id: 'd', name: 'Offsite', authorization: { status } }) as Destination;
const job = (state?: string) => ({ id: 'j', lastRun: state && { state } }) as Job;
const done = (...made: [Source[], Destination[], Job[]]) =>
  firstSteps({ sources: made[0], destinations: made[1], jobs: made[2] }).map((step) => step.done);

test('each step is done when what it makes is there', () => {
  expect(done([], [], [])).toEqual([false, false, false, false]);
  expect(done([source], [destination('authorized')], [job('failed')])).toEqual([true, true, true, false]);
  expect(done([source], [destination('not_required')], [job('succeeded')])).toEqual([true, true, true, true]);
});

test('a destination that is still to be authorized is not done, and says what is missing', () => {
  const made = { sources: [source], destinations: [destination('authorization_required')], jobs: [] };
  expect(firstSteps(made)[1]).toMatchObject({ done: false, act: 'Authorize Offsite' });
  const both = { ...made, destinations: [destination('authorization_required'), destination('authorized')] };
  expect(firstSteps(both)[1]).toMatchObject({ done: true });
});
