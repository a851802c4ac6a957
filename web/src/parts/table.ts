/** How a list is searched, filtered, sorted and paged: the part of `Table.svelte` that needs no browser. */
import type { Snippet } from 'svelte';
import { matches } from './search';
import type { Mark } from './State.svelte';

export type Value = string | number | null | undefined;

export interface Column<T> {
  label: string;
  cell: Snippet<[T]>;
  /**
   * How it looks: `name` (user text), `mono`, `right` (numbers), `wraps` (takes as many lines as it needs; all others are cut
   * to one), `acts` (what can be done; its label is hidden).
   */
  looks?: string;
  /** A CSS width. Columns without one share what is left, so no column moves when a value changes. */
  width?: string;
  /** What the column is sorted by. A card omits the column where there is no value. Columns without it cannot be sorted. */
  value?: (row: T) => Value;
  /** Sorts the largest first at the first click. */
  largest?: boolean;
  /** Not what the list can be sorted by: the server that sorts it knows other orders. */
  fixed?: boolean;
  /** Hidden where the table is too narrow for all columns. */
  spare?: boolean;
}

/** A filter by state. The states of a list do not overlap. */
export interface Chip<T> {
  /** Its name in the address. */
  id: string;
  label: string;
  mark?: Mark;
  is: (row: T) => boolean;
}

export interface Search<T> {
  /** The input's name, for example "Filter jobs". */
  label: string;
  placeholder: string;
  texts: (row: T) => (string | null | undefined)[];
}

export interface Order {
  /** A column's `idOf`. */
  by: string;
  descending: boolean;
}

/** A list that the server searches, filters and pages: `rows` are what it has let through, in their order. */
export interface Remote {
  /** How many rows it lets through; absent until that is known. */
  total?: number;
  /** How many rows each chip lets through, by the chip's id; `''` is all of them. */
  counts: Partial<Record<string, number>>;
  /** Something other than the search and the chips narrows the list. */
  isNarrowed: boolean;
  /** Shows the whole list again. */
  onclear: () => void;
}

/** The most rows on one page. All of them are in the document, for find-in-page and screen readers. */
export const PAGE_LENGTH = 100;
/** Lists up to this length need neither search nor chips. */
export const FEW = 5;

/** A column's name in the address. */
export const idOf = ({ label }: { label: string }): string => label.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

function compare(one: Value, other: Value): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return collator.compare(String(one), String(other));
}

const isMissing = (value: Value): boolean => value === null || value === undefined || value === '';

/** Sorted by a column. Rows without a value come last in either direction; equal ones keep their order. */
export function sorted<T>(rows: T[], value: ((row: T) => Value) | undefined, descending: boolean): T[] {
  if (!value) return rows;
  const keyed = rows.map((row) => ({ row, value: value(row) }));
  keyed.sort((one, other) => {
    const missing = Number(isMissing(one.value)) - Number(isMissing(other.value));
    if (missing !== 0 || isMissing(one.value)) return missing;
    return descending ? compare(other.value, one.value) : compare(one.value, other.value);
  });
  return keyed.map(({ row }) => row);
}

export const searched = <T>(rows: T[], text: string, search: Search<T> | undefined): T[] =>
  search && text.trim() ? rows.filter((row) => matches(text.trim(), ...search.texts(row))) : rows;

interface Choice<T> {
  rows: T[];
  /** Those that pass the search and the chip. */
  shown: T[];
  key: (row: T) => string | number;
  keys: { size: number; has: (key: string | number) => boolean };
  /** The rows that an act is about, as they were when it was asked for. */
  held?: T[];
}

/** The chosen rows: those in sight, or all that an act is about, as they are now, in sight or not. */
export function chosenOf<T>({ rows, shown, key, keys, held }: Choice<T>): T[] {
  if (held) {
    const now = new Map(rows.map((row) => [key(row), row]));
    return held.map((row) => now.get(key(row)) ?? row);
  }
  return keys.size === 0 ? [] : shown.filter((row) => keys.has(key(row)));
}

/** The page that exists and is nearest to the wanted one, from 1. */
export const pageWithin = (wanted: number, rows: number): number =>
  Math.min(Math.max(1, Math.trunc(wanted) || 1), Math.max(1, Math.ceil(rows / PAGE_LENGTH)));
