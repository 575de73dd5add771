/** Random strings of many kinds, the same for the same seed. */

export type Random = (below: number) => number;

/** A counter through a finaliser (splitmix32): any seed is good. */
export function randomNumbers(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return Math.floor((((z ^ (z >>> 15)) >>> 0) / 2 ** 32) * below);
  };
}

export interface StringSources {
  /** Code points from .. to that every oracle's Unicode version knows. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly code: string;
  readonly prose: readonly string[];
}

const SPACES = [
  ' ',
  ' ',
  ' ',
  '  ',
  '   ',
  '\t',
  '\n',
  '\r\n',
  '\n\n',
  '\u00a0',
  '\u2003',
  '\u3000',
  '\u0085',
  '\ufeff',
  '\u200b',
  '\u001c',
  '\v',
  '\f',
];
const LOOKALIKES = [
  '<s>',
  '</s>',
  '<unk>',
  '<0x0A>',
  '▁',
  '▁▁',
  '<|eot_id|>',
  '<|begin_of_text|>',
  '<|end',
  '[INST]',
  'Ġ',
  'Ċ',
  '\ufffd',
  '\0',
];
const ENDINGS = ["'s", "'S", "'t", "'RE", "'ve", "'m", "'LL", "'d", "'ſ", "''", "'x", '’s'];

/** One string of a random kind, lone surrogates among them. */
export function randomString(random: Random, { ranges, code, prose }: StringSources): string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)];
  const times = (most: number, make: () => string): string =>
    Array.from({ length: 1 + random(most) }, make).join('');
  const codePoint = (): string => {
    const [from, to] = pick(ranges); // small ranges as often as large ones: more scripts
    return String.fromCodePoint(from + random(to - from + 1));
  };
  const ascii = (): string => String.fromCharCode(random(10) === 0 ? random(32) : 32 + random(95));
  const letters = (): string => times(9, () => String.fromCharCode(97 + random(26)));
  const slice = (text: string, most: number): string => {
    const at = random(Math.max(1, text.length - most));
    return text.slice(at, at + 1 + random(most)); // may cut a surrogate pair
  };
  const emoji = (): string => {
    const base = String.fromCodePoint(
      pick([0x1f600, 0x1f466, 0x1f9d1, 0x1f44b, 0x1f3f4, 0x2764, 0x1f999]) + random(12),
    );
    const kind = random(6);
    if (kind === 0) return `${base}\u200d${String.fromCodePoint(0x1f680 + random(30))}`;
    if (kind === 1) return base + String.fromCodePoint(0x1f3fb + random(5));
    if (kind === 2) return `${base}\ufe0f`;
    if (kind === 3) return String.fromCodePoint(0x1f1e6 + random(26), 0x1f1e6 + random(26));
    if (kind === 4) return `${random(10)}\ufe0f\u20e3`;
    return base;
  };
  switch (random(14)) {
    case 0:
      return times(30, codePoint);
    case 1:
      return times(12, emoji) + (random(2) === 0 ? letters() : '');
    case 2:
      return times(8, () => pick([letters, codePoint, () => String.fromCharCode(0xd800 + random(0x800))])());
    case 3:
      return pick([codePoint, ascii, () => ' ', () => 'a', () => '1', () => '\n'])().repeat(
        1 + random(random(40) === 0 ? 3000 : 60),
      );
    case 4:
    case 5:
      return slice(code, 160);
    case 6:
    case 7:
      return slice(pick(prose), 120);
    case 8:
      return times(6, () => slice(pick(prose), 8) + pick(['', ...SPACES]) + codePoint());
    case 9:
      return times(40, ascii);
    case 10:
      return times(14, () =>
        pick([letters, () => pick(SPACES), () => pick(SPACES), () => pick(['.', ',', '!', '-'])])(),
      );
    case 11:
      return times(6, () => pick([letters(), ' ', '']) + pick(LOOKALIKES));
    case 12:
      return times(12, () =>
        pick([
          String(random(10 ** (1 + random(8)))),
          pick(['.', ',', ' ', '-', ':', '٣', '五', '²', '½', 'Ⅷ']),
        ]),
      );
    default:
      return times(
        8,
        () => pick([letters, () => letters().toUpperCase(), codePoint])() + pick(ENDINGS) + pick(['', ' ']),
      );
  }
}

/** What every other program gets: a lone surrogate is U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}
