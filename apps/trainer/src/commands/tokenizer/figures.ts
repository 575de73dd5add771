/**
 * What there is to say about a vocabulary and how it cuts texts: the numbers behind `cria tokenizer
 * inspect`.
 */
import { ByteLevelTokenizer } from '@cria/tokenizer';
import type { AnyTokenizer, NamedText } from './input.ts';

/** What a piece is made of; decides its colour in the histogram. */
export const pieceKinds = [
  'word beginning',
  'word part',
  'digits',
  'punctuation',
  'white space',
  'byte',
  'special',
] as const;
/** What a piece is, as the histogram colours it. */
export type PieceKind = (typeof pieceKinds)[number];

/** The kind of one id. `special`: ids of the control tokens, which stand for no text. */
export function kindOfPiece(tokenizer: AnyTokenizer, id: number, special: ReadonlySet<number>): PieceKind {
  if (special.has(id)) return 'special';
  const bytes = tokenizer.tokenBytes(id);
  if (bytes.length === 0) return 'special';
  if (/^<0x[0-9A-F]{2}>$/.test(tokenizer.idToPiece(id))) return 'byte';
  const text = new TextDecoder().decode(bytes);
  if (text.includes('\ufffd')) return 'byte';
  if (/^\p{White_Space}+$/u.test(text)) return 'white space';
  if (/^ ?\p{N}+$/u.test(text)) return 'digits';
  if (/\p{L}|\p{M}/u.test(text)) return /^[^\p{L}]/u.test(text) ? 'word beginning' : 'word part';
  return 'punctuation';
}

/** Pieces by kind and by length in bytes. */
export interface Histogram {
  /** Rows by kind, columns by length in bytes: 1, 2, …; the last column holds all longer ones. */
  readonly counts: ReadonlyMap<PieceKind, Int32Array>;
  readonly columns: number;
  readonly longest: readonly string[];
}

/** Lengths of 1 to 16 bytes, and one column for all that are longer. */
const COLUMNS = 17;

/** Counts of every kind and length, and the longest words. */
export function histogramOf(tokenizer: AnyTokenizer): Histogram {
  const special = new Set(tokenizer.specialTokens.values());
  const counts = new Map(pieceKinds.map((kind) => [kind, new Int32Array(COLUMNS)]));
  const sizes: { id: number; size: number }[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    const kind = kindOfPiece(tokenizer, id, special);
    const size = kind === 'special' ? 0 : tokenizer.tokenBytes(id).length;
    if (kind === 'special') continue; // a name, not a text: it has no length
    counts.get(kind)![Math.min(COLUMNS, Math.max(1, size)) - 1]!++;
    // Only words: the longest pieces of all are runs of spaces.
    if (kind.startsWith('word')) sizes.push({ id, size });
  }
  const longest = sizes
    .sort((a, b) => b.size - a.size || a.id - b.id)
    .slice(0, 12)
    .map(({ id }) => new TextDecoder().decode(tokenizer.tokenBytes(id)));
  return { counts, columns: COLUMNS, longest };
}

/** How one text is cut. */
export interface TextFigures {
  readonly name: string;
  readonly bytes: number;
  readonly tokens: number;
}

/** Bytes and tokens of each text. */
export function figuresOf(tokenizer: AnyTokenizer, texts: readonly NamedText[]): TextFigures[] {
  return texts.map(({ name, text }) => ({
    name,
    bytes: Buffer.byteLength(text),
    tokens: tokenizer.countTokens(text),
  }));
}

/** Over all of the texts together, so that long ones weigh more. */
export function bytesPerToken(figures: readonly TextFigures[]): number {
  const bytes = figures.reduce((sum, figure) => sum + figure.bytes, 0);
  return (
    bytes /
    Math.max(
      1,
      figures.reduce((sum, figure) => sum + figure.tokens, 0),
    )
  );
}

/** The algorithm, in words. */
export function formOf(tokenizer: AnyTokenizer): string {
  if (tokenizer instanceof ByteLevelTokenizer) return 'byte-level BPE';
  return tokenizer.model.settings.modelType === 'unigram' ? 'SentencePiece unigram' : 'SentencePiece BPE';
}

/** Texts of several kinds for a page without a text of its own. */
export const sampleTexts: readonly NamedText[] = [
  {
    name: 'English',
    text:
      'The llama lifted its head, looked at the two travellers for a while, and went on ' +
      'grazing. “It has seen stranger things than us,” said the older one; he wasn’t wrong.',
  },
  {
    name: 'Code',
    text:
      'export function softmax(scores: Float32Array): Float32Array {\n' +
      '  const max = Math.max(...scores);\n  const exp = scores.map((s) => Math.exp(s - max)); // stable\n' +
      '  const sum = exp.reduce((a, b) => a + b, 0);\n  return exp.map((e) => e / sum);\n}',
  },
  {
    name: 'German',
    text: 'Die Bundesstraßenverkehrsordnung überließ das Überholen der Straßenbahn dem Ermessen größerer Fuhrwerke.',
  },
  {
    name: 'Numbers',
    text: '3.14159265358979, 1,048,576 tokens, 2024-07-23T18:45:00Z, +49 30 901820, 0xDEADBEEF',
  },
  { name: 'Japanese', text: '吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。' },
  { name: 'Arabic', text: 'اللاما حيوان ثديي من فصيلة الجمليات يعيش في جبال الأنديز.' },
  { name: 'Emoji', text: 'A 🦙 met 👩‍👩‍👧‍👦 near 🏔️ — 10/10 🇵🇪 ✅' },
];
