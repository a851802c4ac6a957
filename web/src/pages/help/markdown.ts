/** The part of Markdown that the guide is written in, as data: nothing of it is ever put into the page as HTML. */
export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'bold'; children: Inline[] }
  | { kind: 'italic'; children: Inline[] }
  | { kind: 'link'; href: string; isHere: boolean; children: Inline[] };

export type Block =
  | { kind: 'heading'; level: number; id: string; children: Inline[] }
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'code'; text: string }
  | { kind: 'list'; isOrdered: boolean; items: Block[][] }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] };

const INLINE =
  /`([^`]+)`|!\[[^\]]*\]\([^)]*\)|\[((?:[^\]`]|`[^`]*`)+)\]\(([^)]+)\)|\*\*((?:[^*]|\*(?!\*))+)\*\*|\*([^*\s][^*]*)\*|<(https?:[^>]+)>/g;

/** Where a link of the guide leads: to another page of it, out of here, or nowhere (a file that is not part of it). */
function targetOf(address: string): { href: string; isHere: boolean } | undefined {
  if (/^https?:/.test(address)) return { href: address, isHere: false };
  const page = /^([\w-]+)\.md(#[\w-]+)?$/.exec(address);
  if (page) return { href: `/help/${page[1]}${page[2] ?? ''}`, isHere: true };
  return address.startsWith('#') ? { href: address, isHere: true } : undefined;
}

export function inlinesOf(text: string): Inline[] {
  const parts: Inline[] = [];
  let end = 0;
  const add = (plain: string) => plain && parts.push({ kind: 'text', text: plain });
  for (const match of text.matchAll(INLINE)) {
    const [whole, code, label, address, bold, italic, plain] = match;
    add(text.slice(end, match.index));
    end = match.index + whole.length;
    if (code) parts.push({ kind: 'code', text: code });
    else if (label && address) {
      const target = targetOf(address);
      if (target) parts.push({ kind: 'link', ...target, children: inlinesOf(label) });
      else parts.push(...inlinesOf(label));
    } else if (bold) parts.push({ kind: 'bold', children: inlinesOf(bold) });
    else if (italic) parts.push({ kind: 'italic', children: inlinesOf(italic) });
    else if (plain) parts.push({ kind: 'link', href: plain, isHere: false, children: [{ kind: 'text', text: plain }] });
  }
  add(text.slice(end));
  return parts;
}

/** A heading's anchor, as GitHub makes it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');

const LIST = /^(\s*)([-*]|\d+\.)\s+(.*)$/;
const FENCE = /^\s*```/;
const TABLE = /^\s*\|/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const isBlank = (line: string) => line.trim() === '';
const indentOf = (line: string) => line.length - line.trimStart().length;

function cellsOf(line: string): string[] {
  const cells = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  // A bar within code is written with a backslash.
  return cells.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll(String.raw`\|`, '|'));
}

/** Parses a page. */
export function blocksOf(markdown: string): Block[] {
  return parse(markdown.replaceAll(/<!--[\s\S]*?-->/g, '').split('\n'));
}

function parse(lines: string[]): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  const line = () => lines[at] ?? '';
  /** Takes lines for as long as they fit. */
  const take = (fits: (line: string, index: number) => boolean): string[] => {
    const from = at;
    while (at < lines.length && fits(line(), at - from)) at += 1;
    return lines.slice(from, at);
  };
  while (at < lines.length) {
    const heading = HEADING.exec(line());
    if (isBlank(line())) at += 1;
    else if (heading) {
      const text = heading[2] ?? '';
      blocks.push({ kind: 'heading', level: heading[1]?.length ?? 1, id: anchorOf(text), children: inlinesOf(text) });
      at += 1;
    } else if (FENCE.test(line())) {
      const indent = indentOf(line());
      at += 1;
      const text = take((one) => !FENCE.test(one));
      at += 1;
      blocks.push({ kind: 'code', text: text.map((one) => one.slice(Math.min(indent, indentOf(one)))).join('\n') });
    } else if (TABLE.test(line())) {
      const [head = '', , ...rows] = take((one) => TABLE.test(one));
      blocks.push({
        kind: 'table',
        head: cellsOf(head).map(inlinesOf),
        rows: rows.map((row) => cellsOf(row).map(inlinesOf)),
      });
    } else if (LIST.test(line())) blocks.push(listOf(take));
    else {
      const isOther = (one: string) =>
        isBlank(one) || HEADING.test(one) || FENCE.test(one) || TABLE.test(one) || LIST.test(one);
      const text = take((one, index) => index === 0 || !isOther(one)).map((one) => one.trim());
      const children = inlinesOf(text.join(' '));
      if (children.length > 0) blocks.push({ kind: 'paragraph', children });
    }
  }
  return blocks;

  function listOf(takeLines: typeof take): Block {
    const first = LIST.exec(line());
    const indent = first?.[1]?.length ?? 0;
    const isOrdered = /\d/.test(first?.[2] ?? '');
    const items: Block[][] = [];
    for (;;) {
      const marker = LIST.exec(line());
      if (!marker || (marker[1]?.length ?? 0) !== indent) break;
      const width = line().length - (marker[3]?.length ?? 0);
      const own = takeLines((one, index) => index === 0 || isBlank(one) || indentOf(one) > indent);
      // Blank lines before what follows the list are not its.
      items.push(
        parse(own.map((one, index) => (index === 0 ? one.slice(width) : one.slice(Math.min(width, indentOf(one)))))),
      );
    }
    return { kind: 'list', isOrdered, items };
  }
}
