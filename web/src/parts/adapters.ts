/** The kinds of sources and destinations, as the server describes them, and what a form makes of them. */
import { type Adapter, type AdapterField, type AdapterList, api, ask } from '../api/client';

let loaded: Promise<AdapterList> | undefined;

/** Asked for once; again only after a failure. */
export function allAdapters(): Promise<AdapterList> {
  loaded ??= ask(api.GET('/api/adapters')).catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return loaded;
}

/** The kinds in a sentence: `Dropbox or Folder on the server`. */
export const kindsOf = (adapters: Adapter[] | undefined): string =>
  (adapters ?? []).map(({ title }) => title).join(' or ');

/** What was typed, by the names of fields, secrets included. */
export type Values = Record<string, string | number | boolean | null | undefined>;

/** What a form starts with. */
export function valuesOf(settings: object | undefined): Values {
  return { ...(settings as Values | undefined) };
}

const text = (value: Values[string]) => (typeof value === 'string' ? value.trim() : '');

/** Whether a field is to be seen, by the values of others. */
export function isShown(field: AdapterField, values: Values): boolean {
  return !field.shownWhen || field.shownWhen.anyOf.includes(String(values[field.shownWhen.field] ?? ''));
}

/** Whether a field can be left empty; a text says when. A choice or a toggle always has a value. */
export const optionalOf = (field: AdapterField): boolean | string =>
  !field.required &&
  !field.requiredUnless &&
  field.input !== 'toggle' &&
  field.input !== 'choice' &&
  (field.optionalWhen ?? true);

/** The settings as the server takes them: what is empty or not shown is left out. */
export function settingsOf(adapter: Adapter, values: Values): Record<string, unknown> {
  const settings: Record<string, unknown> = { type: adapter.id };
  for (const field of adapter.fields) {
    if (field.secret || !isShown(field, values)) continue;
    const value = values[field.name];
    if (field.input === 'toggle') settings[field.name] = value === true;
    else if (field.input === 'number') {
      if (typeof value === 'number') settings[field.name] = value;
    } else if (text(value)) settings[field.name] = text(value);
  }
  return settings;
}

/** The secrets that were typed. What is absent stays as it is. */
export function secretsOf(adapter: Adapter, values: Values): Record<string, string> {
  const typed = adapter.fields.filter((field) => field.secret && values[field.name]);
  return Object.fromEntries(
    typed.map((field) => {
      const value = String(values[field.name]);
      return [field.name, field.input === 'identifier' ? value.trim() : value];
    }),
  );
}

/** What a field is called, by the server's name for it in errors. */
export function labelsOf(adapter: Adapter | undefined): Record<string, string> {
  const fields = adapter?.fields ?? [];
  return Object.fromEntries(fields.map((field) => [field.secret ? field.name : `settings.${field.name}`, field.label]));
}

/** The text of a setup with the values filled in, quoted for SQL. */
export function setupText(adapter: Adapter, values: Values): string {
  return (adapter.setup?.template ?? '').replaceAll(
    /\{(\w+)\|(identifier|literal)\}/g,
    (_, name: string, how: string) => {
      const value = text(values[name]) || adapter.fields.find((field) => field.name === name)?.example || name;
      return how === 'identifier' ? `"${value.replaceAll('"', '""')}"` : `'${value.replaceAll("'", "''")}'`;
    },
  );
}

/** The value of a text field of settings, of whatever type they are. */
export const settingText = (settings: object | undefined, field: string | null | undefined): string =>
  field ? text((settings as Values | undefined)?.[field]) : '';
