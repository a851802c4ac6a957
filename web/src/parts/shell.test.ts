import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { asCurl, asDbackup, word } from './shell';

test.each(['plain', 'a b', `it's`, '$HOME `id` "x" \\', '-x; rm', 'ü 🛒', ''])(
  '%j reaches a program as it is',
  (text) => {
    expect(execFileSync('sh', ['-c', `printf %s ${word(text)}`]).toString()).toBe(text);
  },
);

test('a call without a body, and one with', () => {
  const call = { method: 'DELETE', path: '/api/jobs/1?a=b&c=d' };
  expect(asDbackup(call)).toBe(`dbackup api DELETE '/api/jobs/1?a=b&c=d'`);
  expect(asCurl(call, 'https://backup.example')).toBe(
    `curl --request DELETE 'https://backup.example/api/jobs/1?a=b&c=d' \\\n  --header "Authorization: Bearer $DBACKUP_TOKEN"`,
  );
  const restore = { method: 'POST', path: '/api/restores', body: { path: `it's` } };
  expect(asDbackup(restore, true)).toBe(
    `dbackup api POST /api/restores --follow --file - <<'END'\n{\n  "path": "it's"\n}\nEND`,
  );
  expect(asCurl(restore, 'http://localhost:3000')).toContain(String.raw`--data '{` + `\n  "path": "it'\\''s"\n}'`);
});
