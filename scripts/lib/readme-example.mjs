// The runnable example of a README: the ```ts blocks after lines `<!-- example -->`, one program from top to bottom.

/**
 * The example's code at the line numbers it has in the README (lines between are empty), so that an error's position
 * is a position in the README.
 * @param {string} markdown
 * @returns {string | undefined} undefined when there is none, or a mark without a block
 */
export function readmeExample(markdown) {
  const lines = markdown.split(/\r?\n/);
  const kept = lines.map(() => '');
  let blocks = 0;
  for (const [mark, text] of lines.entries()) {
    if (text.trim() !== '<!-- example -->') continue;
    const open = lines.findIndex((line, i) => i > mark && line.trim() !== '');
    if (open < 0 || !/^```ts\b/.test(lines[open] ?? '')) return undefined;
    const close = lines.findIndex((line, i) => i > open && line.trim() === '```');
    if (close < 0) return undefined;
    kept.splice(open + 1, close - open - 1, ...lines.slice(open + 1, close));
    blocks++;
  }
  return blocks === 0 ? undefined : kept.join('\n').trimEnd() + '\n';
}
