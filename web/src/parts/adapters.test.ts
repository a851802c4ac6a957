import { expect, test } from 'vitest';
import type { Adapter, AdapterField } from '../api/client';
import { optionalOf, secretsOf, settingsOf, setupText } from './adapters';

const field = (name: string, input: string, more = {}) => ({
  name,
  label: name,
  help: '',
  flag: `--${name}`,
  input,
  secret: false,
  required: false,
  advanced: false,
  restricted: false,
  ...more,
});
const adapter = {
  id: 'made-up',
  fields: [
    field('host', 'host'),
    field('port', 'number'),
    field('user', 'text', { example: 'dbackup' }),
    field('password', 'password', { secret: true }),
    field('mode', 'choice'),
    field('certificate', 'hostFile', { shownWhen: { field: 'mode', anyOf: ['verify'] } }),
    field('team', 'toggle'),
  ],
  setup: { title: '', help: '', template: 'CREATE ROLE {user|identifier}; -- {user|literal}' },
} as unknown as Adapter;

test('what is empty or not shown is left out, and secrets stand beside the settings', () => {
  const values = { host: ' db ', port: 5433, user: '', password: ' p ', mode: 'never', certificate: '/ca.crt' };
  expect(settingsOf(adapter, values)).toEqual({ type: 'made-up', host: 'db', port: 5433, mode: 'never', team: false });
  expect(settingsOf(adapter, { ...values, mode: 'verify' })['certificate']).toBe('/ca.crt');
  expect(secretsOf(adapter, values)).toEqual({ password: ' p ' });
});

test('a secret that can be left out is optional like any other field, and a field can say when', () => {
  const optional = (field: object) => optionalOf(field as AdapterField);
  expect(optional(field('password', 'password', { secret: true }))).toBe(true);
  expect(optional(field('appSecret', 'password', { secret: true, optionalWhen: 'with PKCE' }))).toBe('with PKCE');
  expect(optional(field('key', 'identifier', { secret: true, required: true }))).toBe(false);
  expect(optional(field('host', 'host', { requiredUnless: 'service' }))).toBe(false);
  expect(optional(field('team', 'toggle'))).toBe(false);
});

test('names are quoted for SQL, and an example stands in for an empty one', () => {
  expect(setupText(adapter, { user: `o'n"eil` })).toBe(`CREATE ROLE "o'n""eil"; -- 'o''n"eil'`);
  expect(setupText(adapter, {})).toBe(`CREATE ROLE "dbackup"; -- 'dbackup'`);
});
