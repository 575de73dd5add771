/**
 * A text in parts of at most `maxLength` UTF-16 units, cut after a line end where the second half
 * of a part has one, and never inside a character. The parts joined are the text.
 */
export function cutText(text: string, maxLength: number): string[] {
  const parts: string[] = [];
  let start = 0;
  while (text.length - start > maxLength) {
    const newline = text.lastIndexOf('\n', start + maxLength - 1);
    let end = newline >= start + maxLength / 2 ? newline + 1 : start + maxLength;
    if (isLowSurrogate(text.charCodeAt(end)) && !isLowSurrogate(text.charCodeAt(end - 1))) end--;
    parts.push(text.slice(start, end));
    start = end;
  }
  parts.push(text.slice(start));
  return parts;
}

function isLowSurrogate(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}
