/** What the steps of a connection test are called. */
import { sentence } from '../api/client';
import { duration } from '../format';

const TITLES: Record<string, string> = {
  // Of every destination.
  folder: 'Folder',
  write: 'Write a test file',
  readBack: 'Read back and compare',
  delete: 'Delete the test file',
  space: 'Free space',
  // Of those with an authorization.
  token: 'Access token',
  account: 'Account',
  scopes: 'Permissions',
  // Of channels.
  send: 'Send a message',
  // Of database servers.
  name: 'Resolve the host name',
  connect: 'Connect',
  tls: 'TLS',
  login: 'Sign in',
  version: 'Client tools',
  rights: 'Privileges',
  // Of database files.
  file: 'File',
  open: 'Open the database',
  copy: 'Consistent copy',
};

/** A step of an adapter that this list does not know keeps its own name, as words: `pingServer` is "Ping server". */
export const stepTitle = (name: string): string =>
  TITLES[name] ?? sentence(name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)).replace(/\.$/, '');

/** How long a step took, from milliseconds; nothing where that would be "0.0 s". */
export const stepTime = (took: number): string => (took < 50 ? '' : duration(took));
