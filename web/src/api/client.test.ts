import { expect, test } from 'vitest';
import { failureOfAnswer, ifMatch } from './client';

test('a lost update is told in words that say what to do', () => {
  const problem = { type: 'x', title: 'x', status: 412, code: 'outdated', detail: 'it was changed since you read it' };
  const failure = failureOfAnswer(412, problem);
  expect(failure.code).toBe('outdated');
  expect(failure.message).toContain('Someone else changed this');
  expect(failure.message).toContain('Reload');
  expect(ifMatch(7)).toEqual({ 'If-Match': '"7"' });
});
