import { toast } from 'svelte-sonner';
import { api, ask, type Job } from '../../api/client';
import { attempt } from '../../parts/attempt';
import { navigate } from '../../routes';

/** Begins a run of a job, and offers to watch it. */
export async function backUpNow(job: Pick<Job, 'id' | 'name'>) {
  await attempt(async () => {
    const run = await ask(api.POST('/api/jobs/{id}/run', { params: { path: { id: job.id } } }));
    toast.info(`${job.name} is being backed up`, {
      action: { label: 'Watch', onClick: () => void navigate('/runs/:id', { params: { id: run.id } }) },
    });
  });
}
