import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStrings } from '../src/text/stop-strings.ts';

/** The rule said plainly: the match that ends first; of those, the longest. */
function cutAtStop(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const here = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => stop.length);
    if (here.length > 0) return { text: text.slice(0, end - Math.max(...here)), stopped: true };
  }
  return { text, stopped: false };
}

/** The longest suffix that begins a stop string, found by trying all. */
function heldBack(text: string, stops: readonly string[]): string {
  for (let start = 0; start < text.length; start++) {
    if (stops.some((stop) => stop.length > text.length - start && stop.startsWith(text.slice(start))))
      return text.slice(start);
  }
  return '';
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', '😀', '😁'), maxLength: 30 });
const stopLists = fc.array(
  fc.string({ unit: fc.constantFrom('a', 'b', '😀', '😁'), minLength: 1, maxLength: 5 }),
  { maxLength: 4 },
);

describe('StopStrings', () => {
  it('finds what a plain search finds, however the text is cut, and holds back exactly what it must', () => {
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), stopLists, (pieces, stops) => {
        const finder = new StopStrings(stops);
        const expected = cutAtStop(pieces.join(''), stops);
        let sent = '';
        let seen = '';
        for (const piece of pieces) {
          const { text, stopped } = finder.push(piece);
          sent += text;
          seen += piece;
          if (stopped) {
            expect({ text: sent, stopped }).toEqual(expected);
            return;
          }
          expect(sent + heldBack(seen, stops)).toBe(seen);
          expect(sent).not.toMatch(/\p{Surrogate}/u);
        }
        expect({ text: sent + finder.end(), stopped: false }).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  it('lets a prefix go as soon as it can not become a stop string', () => {
    const finder = new StopStrings(['\n\nUser:']);
    expect(finder.push('hello\n').text).toBe('hello');
    expect(finder.push('\nUse').text).toBe('');
    expect(finder.push('ful').text).toBe('\n\nUseful');
    expect(finder.push('\n\nUser: hi')).toEqual({ text: '', stopped: true });
  });
});
