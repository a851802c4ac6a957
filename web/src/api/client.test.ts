import { expect, test } from 'vitest';
import { failureOfAnswer, ifMatch, sentence } from './client';

test('a lost update is told in words that say what to do', () => {
  const problem = { type: 'x', title: 'x', status: 412, code: 'outdated', detail: 'it was changed since you read it' };
  const failure = failureOfAnswer(412, problem);
  expect(failure.code).toBe('outdated');
  expect(failure.message).toContain('Someone else changed this');
  expect(failure.message).toContain('Reload');
  expect(ifMatch(7)).toEqual({ 'If-Match': '"7"' });
});

test('a sentence begins with a capital, unless a name begins it', () => {
  expect(sentence('no room')).toBe('No room.');
  expect(sentence('tenant_0: no room')).toBe('tenant_0: no room.');
  expect(sentence('/srv/shop.db is gone')).toBe('/srv/shop.db is gone.');
});
