/**
 * Trains SentencePiece BPE vocabularies as sentencepiece 0.2.3 does (trainer_interface.cc,
 * bpe_model_trainer.cc): the same pieces in the same order, in a model that sentencepiece loads.
 */
import { BpeTrainer } from './bpe-trainer.ts';
import { checkOptions, failure } from '../errors.ts';
import { LineReader } from './line-reader.ts';
import {
  BYTE,
  CONTROL,
  NORMAL,
  PieceList,
  UNKNOWN,
  USER_DEFINED,
  type Piece,
} from '../sentencepiece/piece-list.ts';
import { ProtobufWriter } from '../sentencepiece/protobuf.ts';
import { scriptRules } from './script-rules.ts';
import { DEFAULT_SETTINGS, type SentencePieceModel } from '../sentencepiece/model.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { chooseAlphabet, layOut } from './alphabet.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import type { TrainingProgress } from './progress.ts';

/**
 * Defaults are those of the released LLaMA model (its trainer_spec). Names are sentencepiece's
 * flags in camel case.
 */
export interface SentencePieceTrainerOptions {
  /** Pieces of the finished vocabulary. Default 32000. */
  readonly vocabSize?: number;
  /**
   * Share of the text's characters that get a piece; rarer ones are spelled in bytes. Default
   * 0.99995.
   */
  readonly characterCoverage?: number;
  /** Longest piece in characters. Default 16. */
  readonly maxSentencepieceLength?: number;
  /** Longer lines (in UTF-8 bytes) are left out. Default 4192. */
  readonly maxSentenceLength?: number;
  /** Each digit is its own piece. Default true. */
  readonly splitDigits?: boolean;
  /** A piece holds characters of one script only. Default true. */
  readonly splitByUnicodeScript?: boolean;
  /** Digits count as a script of their own. Default true. */
  readonly splitByNumber?: boolean;
  /** Pieces of several spaces may exist. Default true. */
  readonly allowWhitespaceOnlyPieces?: boolean;
  /** Characters without a piece are spelled in bytes. Default true. */
  readonly byteFallback?: boolean;
  /** A space is put before every line, and before every text that is encoded. Default true. */
  readonly addDummyPrefix?: boolean;
  /** Ids of the special pieces, −1 for none. Defaults 0, 1, 2, −1. */
  readonly unkId?: number;
  readonly bosId?: number;
  readonly eosId?: number;
  readonly padId?: number;
  /** Further pieces that stand for no text. */
  readonly controlSymbols?: readonly string[];
  /** Texts that are always one token. */
  readonly userDefinedSymbols?: readonly string[];
  /** Characters that get a piece however rare they are. */
  readonly requiredChars?: string;
  /**
   * Score of pieces of spaces only: 'rank' as the open trainer writes (the default), or 'lowest',
   * −1e9, as in the released model.
   */
  readonly whitespaceScore?: 'rank' | 'lowest';
}

const OPTION_NAMES = [
  'vocabSize',
  'characterCoverage',
  'maxSentencepieceLength',
  'maxSentenceLength',
  'splitDigits',
  'splitByUnicodeScript',
  'splitByNumber',
  'allowWhitespaceOnlyPieces',
  'byteFallback',
  'addDummyPrefix',
  'unkId',
  'bosId',
  'eosId',
  'padId',
  'controlSymbols',
  'userDefinedSymbols',
  'requiredChars',
  'whitespaceScore',
];

const OP = 'trainTokenizer';
const SPACE = 0x20;
/** Told every so many merges. */
const PROGRESS_STEP = 256;

export class SentencePieceTrainer {
  readonly reader: LineReader;
  readonly #options: Required<SentencePieceTrainerOptions>;
  readonly #reserved: ReadonlyMap<number, Piece>;

  constructor(options: SentencePieceTrainerOptions = {}) {
    checkOptions(OP, options, OPTION_NAMES);
    this.#options = {
      vocabSize: 32000,
      characterCoverage: 0.99995,
      maxSentencepieceLength: 16,
      maxSentenceLength: 4192,
      splitDigits: true,
      splitByUnicodeScript: true,
      splitByNumber: true,
      allowWhitespaceOnlyPieces: true,
      byteFallback: true,
      addDummyPrefix: true,
      unkId: 0,
      bosId: 1,
      eosId: 2,
      padId: -1,
      controlSymbols: [],
      userDefinedSymbols: [],
      requiredChars: '',
      whitespaceScore: 'rank',
      ...options,
    };
    const { vocabSize, characterCoverage, maxSentencepieceLength } = this.#options;
    if (!Number.isInteger(vocabSize) || vocabSize < 1)
      throw failure(OP, `vocabSize is ${vocabSize}`, 'give a positive whole number');
    if (!(characterCoverage >= 0.98 && characterCoverage <= 1))
      throw failure(OP, `characterCoverage is ${characterCoverage}`, 'it lies between 0.98 and 1');
    if (!(maxSentencepieceLength >= 1 && maxSentencepieceLength <= 512)) {
      throw failure(OP, `maxSentencepieceLength is ${maxSentencepieceLength}`, 'it lies between 1 and 512');
    }
    this.#reserved = reservedPieces(this.#options);
    this.reader = new LineReader({
      maxLineBytes: this.#options.maxSentenceLength,
      addDummyPrefix: this.#options.addDummyPrefix,
      joinSpaces: this.#options.allowWhitespaceOnlyPieces,
      cutAt: [...this.#reserved.values()].map(({ piece }) => piece),
    });
  }

  /** Adds a text: its lines are counted by themselves. */
  add(text: string): void {
    this.reader.add(text);
  }

  /** Makes the vocabulary. Throws when the text cannot fill it, with the largest possible size. */
  finish(onProgress?: (progress: TrainingProgress) => void): SentencePieceTokenizer {
    const { vocabSize, whitespaceScore } = this.#options;
    const words = this.reader.words.finish();
    const alphabet = chooseAlphabet(words, this.#options);
    const total = vocabSize - this.#reserved.size - alphabet.byCount.length;
    if (total < 0) {
      const least = this.#reserved.size + alphabet.byCount.length;
      throw failure(
        OP,
        `vocabSize ${vocabSize} is smaller than the ${least} reserved pieces and characters`,
        `ask for at least ${least}, or a lower characterCoverage`,
      );
    }
    const trainer = new BpeTrainer(layOut(words, alphabet), scriptRules(alphabet.sorted, this.#options));
    const pieces: Piece[] = [];
    const push = (piece: string): void => {
      const blank = whitespaceScore === 'lowest' && /^▁+$/.test(piece);
      pieces.push({ piece, score: blank ? -1e9 : -pieces.length, type: NORMAL });
    };
    while (pieces.length < total) {
      const merge = trainer.next();
      if (merge === undefined) {
        const most = vocabSize - total + pieces.length;
        throw failure(
          OP,
          `the text yields only ${most} pieces, not ${vocabSize}`,
          `train on more text, or ask for a vocabSize of at most ${most}`,
        );
      }
      push(
        String.fromCodePoint(
          ...Array.from(merge.characters, (character) => alphabet.sorted[character - 1]),
        ).replaceAll(' ', '▁'),
      );
      if (pieces.length % PROGRESS_STEP === 0) onProgress?.({ phase: 'merging', done: pieces.length, total });
    }
    onProgress?.({ phase: 'merging', done: total, total });
    for (const code of alphabet.byCount) push(code === SPACE ? '▁' : String.fromCodePoint(code));
    return new SentencePieceTokenizer(this.#model(pieces));
  }

  #model(trained: readonly Piece[]): SentencePieceModel {
    const options = this.#options;
    const reserved = this.#reserved;
    const rest = trained.values();
    const all = Array.from({ length: options.vocabSize }, (_, id): Piece => {
      const piece = reserved.get(id) ?? rest.next().value;
      if (piece === undefined)
        throw failure(
          OP,
          `no piece is left for id ${id}`,
          'the ids of special pieces must lie below vocabSize',
        );
      return piece;
    });
    const names = new Set(all.map(({ piece }) => piece));
    if (names.size < all.length)
      throw failure(
        OP,
        'two pieces have the same text',
        'leave userDefinedSymbols and controlSymbols out of requiredChars',
      );
    return {
      pieces: PieceList.from(all),
      settings: {
        ...DEFAULT_SETTINGS,
        byteFallback: options.byteFallback,
        addDummyPrefix: options.addDummyPrefix,
        removeExtraWhitespaces: false,
        unkId: options.unkId,
        bosId: options.bosId,
        eosId: options.eosId,
        padId: options.padId,
      },
      sections: specSections(options),
    };
  }
}

/** Special, control, user-defined and byte pieces by id, placed as trainer_interface.cc does. */
function reservedPieces(options: Required<SentencePieceTrainerOptions>): ReadonlyMap<number, Piece> {
  const reserved = new Map<number, Piece>();
  const fixed = [
    ['<unk>', options.unkId],
    ['<s>', options.bosId],
    ['</s>', options.eosId],
    ['<pad>', options.padId],
  ] as const;
  for (const [piece, id] of fixed) {
    if (id < 0) continue;
    if (id >= options.vocabSize || reserved.has(id))
      throw failure(
        OP,
        `the id ${id} of ${piece} is taken or outside the vocabulary`,
        'give each special piece its own id',
      );
    reserved.set(id, { piece, score: 0, type: piece === '<unk>' ? UNKNOWN : CONTROL });
  }
  if (options.unkId < 0) throw failure(OP, 'there is no unknown piece', 'unkId must not be negative');
  let next = 0;
  const seen = new Set<string>();
  const add = (piece: string, type: number): void => {
    if (piece === '' || piece === '<unk>' || seen.has(piece))
      throw failure(OP, `the symbol '${piece}' is empty, reserved or given twice`, 'give each symbol once');
    seen.add(piece);
    const known = [...reserved].find(([, entry]) => entry.piece === piece && entry.type === CONTROL);
    if (known !== undefined) {
      reserved.set(known[0], { piece, score: 0, type });
      return;
    }
    while (reserved.has(next)) next++;
    reserved.set(next, { piece, score: 0, type });
  };
  for (const symbol of options.controlSymbols) add(symbol, CONTROL);
  for (const symbol of options.userDefinedSymbols) add(symbol.replaceAll(' ', '▁'), USER_DEFINED);
  if (options.byteFallback) {
    for (let byte = 0; byte < 256; byte++)
      add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, BYTE);
  }
  if (reserved.size > options.vocabSize)
    throw failure(
      OP,
      `vocabSize ${options.vocabSize} has no room for ${reserved.size} reserved pieces`,
      'ask for more',
    );
  return reserved;
}

/** trainer_spec and normalizer_spec with the field numbers of sentencepiece_model.proto. */
function specSections(options: Required<SentencePieceTrainerOptions>): SentencePieceModel['sections'] {
  const trainer = new ProtobufWriter()
    .int32(3, 2)
    .int32(4, options.vocabSize)
    .float(10, options.characterCoverage)
    .int32(18, options.maxSentenceLength)
    .int32(20, options.maxSentencepieceLength)
    .bool(21, options.splitByUnicodeScript)
    .bool(22, true)
    .bool(23, options.splitByNumber)
    .bool(24, false)
    .bool(25, options.splitDigits)
    .bool(26, options.allowWhitespaceOnlyPieces);
  for (const symbol of options.controlSymbols) trainer.string(30, symbol);
  for (const symbol of options.userDefinedSymbols) trainer.string(31, symbol);
  trainer.bool(35, options.byteFallback);
  if (options.requiredChars !== '') trainer.string(36, options.requiredChars);
  trainer
    .int32(40, options.unkId)
    .int32(41, options.bosId)
    .int32(42, options.eosId)
    .int32(43, options.padId)
    .string(44, ' ⁇ ');
  const normalizer = new ProtobufWriter()
    .string(1, 'identity')
    .raw(2, encodeUtf8(''))
    .bool(3, options.addDummyPrefix)
    .bool(4, false)
    .bool(5, true);
  return [
    { field: 2, bytes: trainer.finish() },
    { field: 3, bytes: normalizer.finish() },
  ];
}
