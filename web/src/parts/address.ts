/** What an address says besides its page: filters, tabs, steps. As text; the router's own `get` takes `007` for a number. */
import { searchParams } from 'sv-router';

export const parameter = (name: string): string => searchParams.toURLSearchParams().get(name) ?? '';

/** Changes it in place, so that Back leaves the page; an empty value goes. */
export function setParameter(name: string, value: string) {
  if (value) searchParams.set(name, value, { replace: true });
  else searchParams.delete(name, undefined, { replace: true });
}
