import { expect, test } from 'vitest';
import { stepTime, stepTitle } from './steps';

test('a step is called what people do, whichever adapter takes it', () => {
  expect(stepTitle('readBack')).toBe('Read back and compare');
  expect(stepTitle('write')).toBe('Write a test file');
  expect(stepTitle('scopes')).toBe('Permissions');
  expect(stepTitle('pingServer')).toBe('Ping server');
});

test('no step took 0.0 s', () => {
  expect(stepTime(0)).toBe('');
  expect(stepTime(49.9)).toBe('');
  expect(stepTime(50)).not.toContain('0.0');
  expect(stepTime(1234)).toBe('1.2 s');
});
