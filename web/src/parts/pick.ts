/** What a select with a search offers: the part of `Pick.svelte` that needs no browser. */
import { matches } from './search';

export interface Option {
  value: string;
  label: string;
  /** Searched, too, and shown beside the label. */
  hint?: string;
}

/** The most options that the open list shows. */
export const MOST = 100;

export interface Offer {
  found: Option[];
  /** There are more: only the search leads to them. */
  isCut: boolean;
  /** The index of the chosen one; -1 if it is not among them. */
  chosen: number;
}

/** The options that match. Where they are cut, the chosen one comes first, so that the list never opens on another one. */
export function offerOf(options: Option[], text: string, value: string): Offer {
  const all = options.filter((option) => matches(text, option.label, option.hint));
  const isCut = all.length > MOST;
  const own = isCut && !text ? all.find((option) => option.value === value) : undefined;
  const found = (own ? [own, ...all.filter((option) => option !== own)] : all).slice(0, MOST);
  return { found, isCut, chosen: found.findIndex((option) => option.value === value) };
}
