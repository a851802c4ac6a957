/** Where policies are in use, and what they would make of the backups there. */
import { api, ask, everything, type Job, PAGE } from '../../api/client';
import type { components } from '../../api/schema';
import type { Plan } from './calendar';
import type { Rules } from './rules';
import { wholeRules } from './rules';

export type Policy = components['schemas']['RetentionPolicy'];
export type MarkedBackup = components['schemas']['MarkedBackup'];

/** A job's backups at one destination: what a policy applies to. */
export interface Place {
  job: Pick<Job, 'id' | 'name' | 'schedule'>;
  destinationId: string;
}

export interface PlannedPlace extends Place {
  plan: Plan;
}

/** So many plans are asked for at the same time. */
const AT_ONCE = 4;

export const allPolicies = () =>
  everything((cursor) => ask(api.GET('/api/retention-policies', { params: { query: { cursor, limit: PAGE } } })));

/** Where a policy is in use, by the jobs' names. */
export const placesOf = (policyId: string, jobs: Job[]): Place[] =>
  jobs.flatMap((job) =>
    Object.entries(job.retention)
      .filter(([destinationId, id]) => id === policyId && job.destinationIds.includes(destinationId))
      .map(([destinationId]) => ({ job, destinationId })),
  );

/** Every job at every destination: where a policy can be tried. */
export const everyPlace = (jobs: Job[]): Place[] =>
  jobs.flatMap((job) => job.destinationIds.map((destinationId) => ({ job, destinationId })));

export const keyOf = ({ job, destinationId }: Place): string => `${job.id} ${destinationId}`;

/** The zone whose days and weeks the rules count. */
export const zoneOf = ({ job }: Place): string => job.schedule?.timeZone ?? 'UTC';

/** What rules make of the backups at a place; without rules, those of its policy. Nothing is changed. */
export const planOf = ({ job, destinationId }: Place, rules?: Rules): Promise<Plan> =>
  ask(api.POST('/api/retention-policies/preview', { body: { jobId: job.id, destinationId, rules } }));

/** The plans of several places, in their order. */
export async function plansOf(places: Place[], rules: (place: Place) => Rules | undefined): Promise<PlannedPlace[]> {
  const plans: PlannedPlace[] = [];
  for (let from = 0; from < places.length; from += AT_ONCE) {
    const some = places.slice(from, from + AT_ONCE);
    plans.push(
      ...(await Promise.all(some.map(async (place) => ({ ...place, plan: await planOf(place, rules(place)) })))),
    );
  }
  return plans;
}

/** Backups that a plan would newly mark: those that are marked already are no news. */
export const newlyMarked = ({ items }: Plan) => items.filter(({ keep, dueAt }) => !keep && !dueAt);

/** Marks what a plan deletes, if it is still what was seen. */
export const confirmPlan = ({ job, destinationId, plan }: PlannedPlace) =>
  ask(
    api.POST('/api/jobs/{id}/retention', {
      params: { path: { id: job.id } },
      body: { destinationId, digest: plan.digest },
    }),
  );

/** Keeps a backup: locks it, which takes back its mark. */
export const keepBackup = (destinationId: string, path: string) =>
  ask(api.POST('/api/destinations/{id}/backups/lock', { params: { path: { id: destinationId } }, body: { path } }));

/** Where another policy is chosen for a job than it has, with what that would newly delete there. */
export async function newDeletions(
  job: Job,
  chosen: Record<string, string>,
  policies: Policy[],
): Promise<PlannedPlace[]> {
  const isChanged = (at: string) => chosen[at] && chosen[at] !== job.retention[at];
  const places = job.destinationIds.filter(isChanged).map((destinationId) => ({ job, destinationId }));
  const rulesAt = (at: string) => policies.find((policy) => policy.id === chosen[at])?.rules;
  const planned = await plansOf(places, ({ destinationId }) => wholeRules(rulesAt(destinationId)));
  return planned.filter(({ plan }) => newlyMarked(plan).length > 0);
}
