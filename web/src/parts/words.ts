/** The small part of Markdown that the server's texts have: `**bold**` and `[links](https://…)`. */
export type Part = { text: string; bold?: true; href?: string };

const MARK = /\*\*([^*]+)\*\*|\[([^\]]+)\]\((https:\/\/[^)\s]+)\)/g;

/** Splits a text into its parts. */
export function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let end = 0;
  for (const match of text.matchAll(MARK)) {
    const [whole, bold, label, href] = match;
    if (match.index > end) parts.push({ text: text.slice(end, match.index) });
    if (bold) parts.push({ text: bold, bold: true });
    else if (label && href) parts.push({ text: label, href });
    end = match.index + whole.length;
  }
  if (end < text.length) parts.push({ text: text.slice(end) });
  return parts;
}
