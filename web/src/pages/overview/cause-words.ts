/** What the first page says of a cause, and what cures it. */
import { type Cause, sentence } from '../../api/client';
import { counted, day, percent } from '../../format';

export interface CauseWords {
  title: string;
  text: string;
  /** Where the cure is. */
  cure?: { words: string; href: string };
}

const one = ({ jobs, jobCount }: Cause) => (jobCount === 1 ? jobs[0] : undefined);
/** "3 jobs wait", "1 job waits". */
const jobsDo = ({ jobCount }: Cause, verb: string) => `${counted(jobCount, 'job')} ${verb}${jobCount === 1 ? 's' : ''}`;

/** Where its jobs are changed. */
const editing = (cause: Cause) => {
  const job = one(cause);
  return job ? `/jobs/${job.id}/edit` : '/jobs';
};

/** The list of all jobs that it concerns, where there is one. */
export function restOf({ kind, jobsQuery }: Cause): string | undefined {
  if (!jobsQuery) return undefined;
  const status = new URLSearchParams(jobsQuery).get('status');
  return status && kind !== 'authorize' ? `/jobs?state=${status}` : undefined;
}

export function wordsOf(cause: Cause): CauseWords {
  const { jobCount, destination, profile } = cause;
  const name = destination?.name ?? '';
  const job = one(cause);
  switch (cause.kind) {
    case 'authorize': {
      const isFirst = destination?.authorization === 'authorization_required';
      const reason = cause.reason ? `${sentence(cause.reason)} ` : '';
      return {
        title: `${name} needs authorization`,
        text: `${isFirst ? '' : reason}${jobCount > 0 ? `${jobsDo(cause, 'wait')} for it.` : 'No job uses it yet.'}`,
        cure: { words: isFirst ? 'Authorize' : 'Re-authorize', href: `/destinations/${destination?.id}` },
      };
    }
    case 'failed':
      return failure(cause);
    case 'schedule':
      return {
        title: job ? `${job.name} does not run on schedule` : `${jobsDo(cause, 'do')} not run on schedule`,
        text: cause.reason ? sentence(cause.reason) : 'Their schedules cannot be read.',
        cure: job
          ? { words: 'Edit schedule', href: editing(cause) }
          : { words: 'View jobs', href: '/jobs?state=failed' },
      };
    case 'missed':
      return {
        title: job ? `${job.name} missed a run` : `${counted(jobCount, 'job')} missed a run`,
        text: 'Its time has passed, and no run was started.',
      };
    case 'never':
      return {
        title: job ? `${job.name} has no backup yet` : `${counted(jobCount, 'job')} have no backup yet`,
        text: '',
      };
    case 'full': {
      const { share, fullOn } = destination ?? {};
      return {
        title: share && share > 0.9 ? `${name} is ${percent(share)} full` : `${name} is filling up`,
        text: fullOn ? `It will be full by ${day(fullOn)} at the current rate.` : 'Backups fail once it is full.',
        cure: { words: 'Free up space', href: `/backups?destination=${destination?.id}` },
      };
    }
    case 'channel':
      return {
        title: `Notifications do not reach ${cause.channel?.name}`,
        text: cause.reason ? sentence(cause.reason) : 'The channel does not deliver.',
        cure: { words: 'View channel', href: `/notifications/channels/${cause.channel?.id}` },
      };
    case 'key':
      return {
        title: `The key of ${profile?.name} exists only on this server`,
        text: `Without this server, nobody can decrypt the backups of ${counted(jobCount, 'job')}.`,
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

function failure(cause: Cause): CauseWords {
  const job = one(cause);
  const text = cause.reason ? sentence(cause.reason) : 'The last run did not succeed.';
  if (job) {
    const run = job.runId;
    return { title: `${job.name} failed`, text, cure: run ? { words: 'View run', href: `/runs/${run}` } : undefined };
  }
  const place = cause.destination ?? cause.source;
  if (!place) {
    return {
      title: `${counted(cause.jobCount, 'job')} failed`,
      text: cause.reason ? text : 'Their last runs failed for different reasons.',
      cure: { words: 'View jobs', href: '/jobs?state=failed' },
    };
  }
  return {
    title: `${counted(cause.jobCount, 'job')} failed at ${place.name}`,
    text,
    cure: cause.destination
      ? { words: 'View destination', href: `/destinations/${place.id}` }
      : { words: 'View source', href: `/sources/${place.id}` },
  };
}
