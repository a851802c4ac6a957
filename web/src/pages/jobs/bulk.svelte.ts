import { api, ask, failureOf, ifMatch, type Job } from '../../api/client';
import type { components } from '../../api/schema';
import { begin } from './run';

export type JobPatch = components['schemas']['JobPatch'];

export interface Outcome {
  job: Job;
  state: 'queued' | 'running' | 'succeeded' | 'failed';
  message?: string;
}

/** One act on several jobs, one after another; a failure of one does not stop the others. */
export class Bulk {
  outcomes = $state.raw<Outcome[]>([]);
  busy = $state(false);

  get failed() {
    return this.outcomes.filter(({ state }) => state === 'failed');
  }

  get done() {
    return this.outcomes.filter(({ state }) => state === 'succeeded').length;
  }

  /** Returns whether all succeeded. */
  async run(jobs: Job[], act: (job: Job) => Promise<unknown>): Promise<boolean> {
    this.busy = true;
    this.outcomes = jobs.map((job) => ({ job, state: 'queued' }));
    for (const [index, job] of jobs.entries()) {
      this.#set(index, { job, state: 'running' });
      try {
        await act(job);
        this.#set(index, { job, state: 'succeeded' });
      } catch (error) {
        this.#set(index, { job, state: 'failed', message: failureOf(error).message });
      }
    }
    this.busy = false;
    return this.failed.length === 0;
  }

  clear() {
    this.outcomes = [];
  }

  #set(index: number, outcome: Outcome) {
    this.outcomes = this.outcomes.with(index, outcome);
  }
}

export const start = (job: Job) => begin(job);

/** Fails if somebody else has changed the job since it was loaded. */
export const patch = ({ id, revision }: Job, body: JobPatch) =>
  ask(api.PATCH('/api/jobs/{id}', { params: { path: { id }, header: ifMatch(revision) }, body }));

export const remove = ({ id, revision }: Job) =>
  ask(api.DELETE('/api/jobs/{id}', { params: { path: { id }, header: ifMatch(revision) } }));
