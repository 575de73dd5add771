/** A text as HTML in which every token is a coloured span. */
import type { AnyTokenizer } from './input.ts';

/** Colours in turn: neighbours differ, and six are enough to tell where one ends. */
const HUES = 6;

/** Tokens that share a character (its bytes) share a span. */
export function colouredText(tokenizer: AnyTokenizer, text: string): string {
  const { ids, start, end } = tokenizer.encodeWithOffsets(text);
  const spans: string[] = [];
  for (let i = 0, hue = 0; i < ids.length; hue++) {
    const from = start[i]!;
    let to = end[i]!;
    let last = i + 1;
    // A token that begins inside a character has the whole character as its text.
    while (last < ids.length && start[last]! < to) to = Math.max(to, end[last++]!);
    spans.push(span(tokenizer, ids.subarray(i, last), text.slice(from, to), hue % HUES));
    i = last;
  }
  return spans.join('');
}

/** One span, with id, piece and bytes of its tokens for the line at the foot of the page. */
function span(tokenizer: AnyTokenizer, ids: Int32Array, text: string, hue: number): string {
  const facts = Array.from(ids, (id) => {
    const bytes = Array.from(tokenizer.tokenBytes(id), (byte) => byte.toString(16).padStart(2, '0'));
    return `${id}\t${tokenizer.idToPiece(id)}\t${bytes.join(' ')}`;
  });
  const several = ids.length > 1 ? ' several' : '';
  const shown =
    text === ''
      ? '<span class="mark">␣</span>'
      : escaped(text).replace(/\r?\n/g, '<span class="mark">↵</span>\n');
  return `<span class="token hue-${hue}${several}" data-t="${escaped(facts.join('\n'))}">${shown}</span>`;
}

/** HTML has no NUL, not even as a reference. */
function escaped(text: string): string {
  return text.replace(/[&<>"'\0]/g, (character) =>
    character === '\0' ? '␀' : `&#${character.charCodeAt(0)};`,
  );
}
