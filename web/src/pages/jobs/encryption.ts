/** What a job's form can stand at instead of an encryption profile. */

/** Who can read the backups is nobody's guess: with several profiles, the user chooses. */
export const UNCHOSEN = 'unchosen';
/** A key that is made when the job is saved. */
export const NEW_KEY = 'new';
/** What its profile is called. */
export const NEW_KEY_NAME = 'Backups';

/** What a new job begins with. */
export function proposed(profiles: { id: string }[], proposesKey: boolean): string {
  if (profiles.length > 1) return UNCHOSEN;
  return profiles[0]?.id ?? (proposesKey ? NEW_KEY : '');
}

/** Whether it is decided who can read the backups, and the profile exists. */
export const hasProfile = (choice: string): boolean => choice !== UNCHOSEN && choice !== NEW_KEY;
