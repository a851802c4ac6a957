import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { anchorOf, type Block, blocksOf, inlinesOf } from './markdown';

const text = (text: string) => ({ kind: 'text', text }) as const;

test('inline parts: code, bold, links to pages of the guide and out of it; pictures and other files are not linked', () => {
  expect(inlinesOf('Set `a|b`, **then** [restore](restore.md#keys).')).toEqual([
    text('Set '),
    { kind: 'code', text: 'a|b' },
    text(', '),
    { kind: 'bold', children: [text('then')] },
    text(' '),
    { kind: 'link', href: '/help/restore#keys', isHere: true, children: [text('restore')] },
    text('.'),
  ]);
  expect(inlinesOf('[x](https://example.org) [y](../SERVER.md) ![z](z.png)')).toEqual([
    { kind: 'link', href: 'https://example.org', isHere: false, children: [text('x')] },
    text(' '),
    text('y'),
    text(' '),
  ]);
});

test('a script in a link is no link', () => {
  expect(inlinesOf('[x](javascript:alert)')).toEqual([text('x')]);
});

test('blocks: headings, paragraphs over lines, code, tables and lists with blocks of their own', () => {
  const page =
    '# Keep `it`\n\nOne\ntwo.\n\n```\na\n  b\n```\n\n| a | b |\n|---|---|\n| 1 | `x\\|y` |\n\n1. first\n   goes on\n\n   ```\n   code\n   ```\n2. second\n   - inner\n\nafter';
  expect(blocksOf(page)).toEqual([
    { kind: 'heading', level: 1, id: 'keep-it', children: [text('Keep '), { kind: 'code', text: 'it' }] },
    { kind: 'paragraph', children: [text('One two.')] },
    { kind: 'code', text: 'a\n  b' },
    { kind: 'table', head: [[text('a')], [text('b')]], rows: [[[text('1')], [{ kind: 'code', text: 'x|y' }]]] },
    {
      kind: 'list',
      isOrdered: true,
      items: [
        [
          { kind: 'paragraph', children: [text('first goes on')] },
          { kind: 'code', text: 'code' },
        ],
        [
          { kind: 'paragraph', children: [text('second')] },
          { kind: 'list', isOrdered: false, items: [[{ kind: 'paragraph', children: [text('inner')] }]] },
        ],
      ],
    },
    { kind: 'paragraph', children: [text('after')] },
  ]);
});

const GUIDE = '../docs/guide';
const pages = readdirSync(GUIDE).filter((name) => name.endsWith('.md'));

/** Every inline text that is shown, without code. */
function shown(blocks: Block[]): string {
  return JSON.stringify(blocks, (_, value: unknown) =>
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'code' ? '' : value,
  );
}

test.each(pages)('%s is understood: no mark-up is left, and every link within the guide leads somewhere', (name) => {
  const blocks = blocksOf(readFileSync(join(GUIDE, name), 'utf8'));
  const words = shown(blocks);
  expect(words).not.toMatch(/\]\(|\*\*|```|<!--|\|---/);
  for (const [, page, anchor] of words.matchAll(/"\/help\/([\w-]+)(?:#([\w-]+))?"/g)) {
    expect(pages).toContain(`${page}.md`);
    const headings = blocksOf(readFileSync(join(GUIDE, `${page}.md`), 'utf8'));
    if (anchor)
      expect(
        headings.some((block) => block.kind === 'heading' && block.id === anchor),
        anchor,
      ).toBe(true);
  }
});

test('anchors are those that GitHub makes', () =>
  expect(anchorOf('What no rule deletes: `x`!')).toBe('what-no-rule-deletes-x'));
