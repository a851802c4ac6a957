/** The way to a first backup. */
import type { Destination, Job, Source } from '../../api/client';
import { needsAuthorization } from '../destinations/authorization';
import { isSuccess } from '../runs/words';

export type StepName = 'source' | 'destination' | 'job' | 'run';

export interface FirstStep {
  name: StepName;
  /** What is to be done. */
  words: string;
  /** The button that leads there. */
  act: string;
  done: boolean;
}

export interface Made {
  sources: Source[];
  destinations: Destination[];
  jobs: Job[];
}

export function firstSteps({ sources, destinations, jobs }: Made): FirstStep[] {
  const waiting = destinations.every(needsAuthorization) ? destinations[0] : undefined;
  return [
    { name: 'source', words: 'Add a source', act: 'Add source', done: sources.length > 0 },
    {
      name: 'destination',
      words: 'Add a destination',
      act: waiting ? `Authorize ${waiting.name}` : 'Add destination',
      done: destinations.length > 0 && !waiting,
    },
    { name: 'job', words: 'Create a job', act: 'Add job', done: jobs.length > 0 },
    {
      name: 'run',
      words: 'Run it and verify the result',
      act: 'Back up now',
      done: jobs.some(({ lastRun }) => isSuccess(lastRun?.state)),
    },
  ];
}
