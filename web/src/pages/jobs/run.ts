import { api, ask, type Job, type Run } from '../../api/client';
import { attempt } from '../../parts/attempt';
import { tell } from '../runs/told';

type Named = Pick<Job, 'id' | 'name'>;

/** Begins a run of a job. */
export const begin = ({ id }: Named): Promise<Run> => ask(api.POST('/api/jobs/{id}/run', { params: { path: { id } } }));

/** Begins a run of a job, and tells how it goes and ends. */
export async function backUpNow(job: Named) {
  await attempt(async () => tell(await begin(job)));
}
