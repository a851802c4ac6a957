import { expect, test } from 'vitest';
import { partsOf } from './words';

test('bold and links are found, and nothing else is markup', () => {
  expect(partsOf('Open the [Console](https://x.example/a) and **Create app**.')).toEqual([
    { text: 'Open the ' },
    { text: 'Console', href: 'https://x.example/a' },
    { text: ' and ' },
    { text: 'Create app', bold: true },
    { text: '.' },
  ]);
  expect(partsOf('<b>x</b> [y](javascript:z)')).toEqual([{ text: '<b>x</b> [y](javascript:z)' }]);
});
