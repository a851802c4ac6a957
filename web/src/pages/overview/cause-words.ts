/** What the first page says of a cause, and what cures it. */
import { sentence } from '../../api/client';
import { counted, day, percent } from '../../format';
import type { Cause } from './causes';

export interface CauseWords {
  title: string;
  text: string;
  /** Where the cure is. */
  cure?: { words: string; href: string };
}

interface Names {
  /** Of sources and destinations. */
  names: Map<string, string>;
  /** How full a destination is, as a share of 1. */
  share?: number;
}

const one = ({ jobs }: Cause) => (jobs.length === 1 ? jobs[0] : undefined);
/** "3 jobs wait", "1 job waits". */
const jobsDo = ({ jobs }: Cause, verb: string) =>
  `${counted(jobs.length, 'job')} ${verb}${jobs.length === 1 ? 's' : ''}`;

/** Where its jobs are changed. */
const editing = (cause: Cause) => {
  const job = one(cause);
  return job ? `/jobs/${job.id}/edit` : '/jobs';
};

export function wordsOf(cause: Cause, { names, share }: Names): CauseWords {
  const { jobs, destination, profile } = cause;
  const name = destination?.name ?? '';
  const job = one(cause);
  switch (cause.kind) {
    case 'authorize': {
      const isFirst = destination?.authorization.status === 'authorization_required';
      const reason = destination?.authorization.reason ? `${sentence(destination.authorization.reason)} ` : '';
      return {
        title: `${name} needs authorization`,
        text: `${isFirst ? '' : reason}${jobs.length > 0 ? `${jobsDo(cause, 'wait')} for it.` : 'No job uses it yet.'}`,
        cure: { words: isFirst ? 'Authorize' : 'Re-authorize', href: `/destinations/${destination?.id}` },
      };
    }
    case 'failed':
      return failure(cause, names);
    case 'schedule':
      return {
        title: `${job?.name} does not run on schedule`,
        text: cause.reason ? sentence(cause.reason) : 'Its schedule cannot be read.',
        cure: { words: 'Edit schedule', href: editing(cause) },
      };
    case 'missed':
      return {
        title: job ? `${job.name} missed a run` : `${counted(jobs.length, 'job')} missed a run`,
        text: 'The server was probably down at the scheduled time.',
      };
    case 'never':
      return {
        title: job ? `${job.name} has no backup yet` : `${counted(jobs.length, 'job')} have no backup yet`,
        text: '',
      };
    case 'full':
      return {
        title: share && share > 0.9 ? `${name} is ${percent(share)} full` : `${name} is filling up`,
        text: cause.on ? `It will be full by ${day(cause.on)} at the current rate.` : 'Backups fail once it is full.',
        cure: { words: 'Free up space', href: `/backups?destination=${destination?.id}` },
      };
    case 'key':
      return {
        title: `The key of ${profile?.name} exists only on this server`,
        text: `Without this server, nobody can decrypt the backups of ${counted(jobs.length, 'job')}.`,
        cure: { words: 'Export key', href: '/profiles' },
      };
    case 'plaintext':
      return {
        title: `${jobsDo(cause, 'store')} unencrypted backups off site`,
        text: 'Anyone with access to the storage can read them.',
        cure: { words: 'Encrypt', href: editing(cause) },
      };
    case 'oneCopy':
      return {
        title: `${jobsDo(cause, 'keep')} a single copy`,
        text: 'A second destination protects against losing the first.',
        cure: { words: 'Add destination', href: editing(cause) },
      };
    case 'unrestored':
      return {
        title: 'No backup has been restored yet',
        text: 'A backup is only as good as its restore. Try one, into a new database.',
        cure: { words: 'Try a restore', href: '/backups' },
      };
  }
}

function failure(cause: Cause, names: Names['names']): CauseWords {
  const job = one(cause);
  const text = cause.reason ? sentence(cause.reason) : 'The last run did not succeed.';
  if (job) {
    const run = job.lastRun;
    return {
      title: `${job.name} ${run?.state === 'partial' ? 'is backed up in part' : 'failed'}`,
      text,
      cure: run ? { words: 'View run', href: `/runs/${run.id}` } : undefined,
    };
  }
  const id = cause.destinationId ?? cause.sourceId;
  if (!id) {
    return {
      title: `${counted(cause.jobs.length, 'job')} failed`,
      text: cause.reason ? text : 'Their last runs failed for different reasons.',
      cure: { words: 'View jobs', href: '/jobs?state=failed' },
    };
  }
  const place = names.get(id) ?? 'a place that was removed';
  return {
    title: `${counted(cause.jobs.length, 'job')} failed at ${place}`,
    text,
    cure: cause.destinationId
      ? { words: 'View destination', href: `/destinations/${id}` }
      : { words: 'View source', href: `/sources/${id}` },
  };
}
