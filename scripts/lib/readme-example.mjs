// The runnable example of a README: the first ```ts block after a line `<!-- example -->`.

/**
 * The example's code at the line numbers it has in the README (lines above it are empty), so that an error's position
 * is a position in the README.
 * @param {string} markdown
 * @returns {string | undefined} undefined when there is none
 */
export function readmeExample(markdown) {
  const lines = markdown.split(/\r?\n/);
  const mark = lines.findIndex((line) => line.trim() === '<!-- example -->');
  if (mark < 0) return undefined;
  const open = lines.findIndex((line, i) => i > mark && line.trim() !== '');
  if (open < 0 || !/^```ts\b/.test(lines[open] ?? '')) return undefined;
  const close = lines.findIndex((line, i) => i > open && line.trim() === '```');
  if (close < 0) return undefined;
  return '\n'.repeat(open + 1) + lines.slice(open + 1, close).join('\n') + '\n';
}
