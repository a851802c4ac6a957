/** What a form lacks, before the server is asked: in the form's own words, and all at once. */
import { Failure } from '../api/client';
import { counted } from '../format';

/** A field as the server names it, whether something is there, and what to do if not. */
export type Need = [field: string, isThere: unknown, message: string];

/**
 * Throws if something is missing.
 *
 * @throws {Failure} names every field.
 */
export function requireAll(needs: Need[]) {
  const fields = needs.filter(([, isThere]) => !isThere).map(([field, , message]) => ({ field, message }));
  if (fields.length === 0) return;
  throw new Failure(`Not saved: ${counted(fields.length, 'field')} to complete.`, 'invalid', 422, fields);
}
