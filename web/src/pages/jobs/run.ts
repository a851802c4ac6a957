import { toast } from 'svelte-sonner';
import { api, ask, type Job, type Run } from '../../api/client';
import { attempt } from '../../parts/attempt';
import { navigate } from '../../routes';

type Named = Pick<Job, 'id' | 'name'>;

/** Begins a run of a job. */
export const begin = ({ id }: Named): Promise<Run> => ask(api.POST('/api/jobs/{id}/run', { params: { path: { id } } }));

/** Begins a run of a job, and offers to watch it. */
export async function backUpNow(job: Named) {
  await attempt(async () => {
    const run = await begin(job);
    toast.info(`${job.name} is being backed up`, {
      action: { label: 'Watch', onClick: () => void navigate('/runs/:id', { params: { id: run.id } }) },
    });
  });
}
