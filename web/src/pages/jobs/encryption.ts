/** What a job's form can stand at instead of an encryption profile. */

/** Who can read the backups is nobody's guess: with several profiles, the user chooses. */
export const UNCHOSEN = 'unchosen';
/** A key that is made when the job is saved. */
export const NEW_KEY = 'new';
/** What its profile is called. */
export const NEW_KEY_NAME = 'Backups';
