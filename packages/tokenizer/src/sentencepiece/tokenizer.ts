/**
 * The tokenizer of LLaMA 1 and 2: SentencePiece BPE with byte fallback.
 *
 * Encoding puts a space before the text and merges over all of it. But no merge crosses a place
 * whose two characters meet in no piece (a word and the space behind it, a letter and a full stop):
 * the text is cut there and every part is encoded by itself (encoder.ts). plain.ts has the
 * definition, and takes over for vocabularies outside the fast path.
 */
import type { AddedToken } from '../added-tokens.ts';
import { BaseTokenizer } from '../base-tokenizer.ts';
import type { MergeList } from '../bpe/merge-list.ts';
import { compileSplitter, type SplitPattern } from '../text/splitter.ts';
import { ByteTable } from '../bytes/byte-table.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { checkOptions, failure } from '../errors.ts';
import { compileNormalizer, type NormalizerStep } from '../text/normalizers.ts';
import type { MeasuredIds } from '../offsets.ts';
import type { DecodeOptions, TokenDecoder } from '../tokenizer.ts';
import { SentencePieceDecoder } from './decoder.ts';
import { createSentencePieceEncoder } from './encoder.ts';
import type { SentencePieceEncoder } from './text-encoder.ts';
import { sentencePieceFingerprint } from './fingerprint.ts';
import {
  DEFAULT_SETTINGS,
  modelFromPieces,
  type SentencePieceModel,
  type SentencePieceSettings,
} from './model.ts';
import { CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, type PieceList } from './piece-list.ts';

export interface SentencePieceOptions {
  /**
   * Where the dummy space goes when added tokens cut the text: 'always' before each part (the
   * default: llama.cpp, and Hugging Face's legacy mode) or 'first', only at the very beginning.
   */
  readonly prefix?: 'always' | 'first';
  /**
   * Put the dummy space also before a text that begins with a space. Default true; false is Hugging
   * Face's Metaspace rule.
   */
  readonly prefixBeforeSpace?: boolean;
  /** The merges in order, where they come as a list; else pieces merge by score. */
  readonly merges?: MergeList | undefined;
  /**
   * Tokens that are found in a text as they stand, special ones where allowed, before any space is
   * put in front. Default: the control and unknown pieces, as special tokens. User-defined pieces
   * that are not named here are found as sentencepiece finds them.
   */
  readonly addedTokens?: readonly AddedToken[];
  /** What happens to a text before spaces become `▁`. Default: nothing. */
  readonly normalizer?: readonly NormalizerStep[];
  /**
   * What cuts the text, with the dummy space in front as `▁`, into parts that are encoded by
   * themselves.
   */
  readonly pattern?: SplitPattern | undefined;
  /** Whether decoding takes a space from the front of a text. Default: where one was put there. */
  readonly decodeStrips?: boolean | undefined;
  /** Whether texts begin with BOS. Default: there is a BOS token. */
  readonly addsBos?: boolean | undefined;
  /** Whether texts end with EOS. Default false. */
  readonly addsEos?: boolean | undefined;
}

const OP = 'SentencePieceTokenizer';
const OPTIONS = [
  'prefix',
  'prefixBeforeSpace',
  'merges',
  'addedTokens',
  'normalizer',
  'pattern',
  'decodeStrips',
  'addsBos',
  'addsEos',
];

export class SentencePieceTokenizer extends BaseTokenizer {
  readonly model: SentencePieceModel;
  readonly prefix: 'always' | 'first';
  readonly prefixBeforeSpace: boolean;
  readonly merges: MergeList | undefined;
  /** What it was made with besides the model, for those who write it to a file. */
  readonly options: SentencePieceOptions;

  readonly #pieces: PieceList;
  readonly #settings: SentencePieceSettings;
  readonly #table: ByteTable;
  readonly #decoder: SentencePieceDecoder;
  readonly #reservedIds: ReadonlyMap<string, number>;
  readonly #split: ((text: string) => string[]) | undefined;
  #textEncoder: SentencePieceEncoder | undefined;
  #hash: string | undefined;

  /**
   * From a model that was read, or from pieces of another source. Throws when the vocabulary cannot
   * work.
   */
  constructor(model: SentencePieceModel, options: SentencePieceOptions = {}) {
    checkOptions(OP, options, OPTIONS);
    const { pieces, settings } = model;
    const added = options.addedTokens ?? controlPieces(pieces);
    const found = new Set(added.map(({ id }) => id));
    const { table, reserved, unkId } = indexPieces(pieces, found);
    const inRange = (id: number): number | undefined => (id >= 0 && id < pieces.size ? id : undefined);
    super(OP, {
      vocabSize: pieces.size,
      bosId: inRange(settings.bosId),
      eosId: inRange(settings.eosId),
      unkId: unkId ?? inRange(settings.unkId),
      padId: inRange(settings.padId),
      addsBos: options.addsBos,
      addsEos: options.addsEos,
      added,
      normalize: compileNormalizer(options.normalizer),
    });
    this.model = model;
    this.options = options;
    this.prefix = options.prefix ?? 'always';
    this.prefixBeforeSpace = options.prefixBeforeSpace ?? true;
    this.merges = options.merges;
    this.#pieces = pieces;
    this.#settings = settings;
    this.#table = table;
    this.#reservedIds = reserved;
    if (this.unkId === undefined && !settings.byteFallback)
      throw failure(OP, 'the vocabulary has no unknown piece', 'one piece must have type 2');
    this.#decoder = new SentencePieceDecoder(pieces, settings, options.decodeStrips);
    this.#split = options.pattern === undefined ? undefined : compileSplitter(options.pattern);
  }

  /**
   * From a list of pieces. Settings that are not given are LLaMA's: byte fallback, dummy prefix,
   * nothing trimmed.
   */
  static fromPieces(
    pieces: PieceList,
    settings: Partial<SentencePieceSettings> = {},
    options: SentencePieceOptions = {},
  ): SentencePieceTokenizer {
    const all = { ...DEFAULT_SETTINGS, byteFallback: true, removeExtraWhitespaces: false, ...settings };
    return new SentencePieceTokenizer(modelFromPieces(pieces, all), options);
  }

  get fingerprint(): string {
    return (this.#hash ??= sentencePieceFingerprint(this));
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    checkOptions('decode', options, ['skipSpecialTokens']);
    return this.#decoder.decode(ids, options.skipSpecialTokens ?? true);
  }

  decodeStream(options: DecodeOptions = {}): TokenDecoder {
    checkOptions('decodeStream', options, ['skipSpecialTokens']);
    return this.#decoder.stream(options.skipSpecialTokens ?? true);
  }

  idToPiece(id: number): string {
    this.checkId('idToPiece', id);
    return this.#pieces.name(id);
  }

  pieceToId(piece: string): number | undefined {
    const reserved =
      this.#reservedIds.get(piece) ?? this.addedTokens.find(({ content }) => content === piece)?.id;
    if (reserved !== undefined) return reserved;
    if (piece.includes(' ')) {
      for (const [id, name] of this.#pieces.spacedNames) if (name === piece) return id;
      return undefined;
    }
    const bytes = encodeUtf8(piece.replaceAll('▁', ' '));
    const id = this.#table.find(bytes, 0, bytes.length);
    return id < 0 ? undefined : id;
  }

  tokenBytes(id: number): Uint8Array {
    this.checkId('tokenBytes', id);
    return this.#decoder.bytes(id);
  }

  protected encodePlain(text: string, first: boolean): void {
    const encoder = this.sink();
    const prefix = this.#hasPrefix(text, first);
    if (this.#split === undefined) return encoder.encode(text, prefix);
    for (const part of this.#split(prefix ? `▁${text}` : text)) encoder.encode(part, false);
  }

  protected measurePlain(text: string, first: boolean): MeasuredIds {
    const { removeExtraWhitespaces, treatWhitespaceAsSuffix, characterMap } = this.#settings;
    if (removeExtraWhitespaces || treatWhitespaceAsSuffix || characterMap !== undefined) {
      throw failure(
        'encodeWithOffsets',
        'this vocabulary trims or moves spaces, or maps characters',
        'offsets are kept for models that encode every space, as LLaMA does',
      );
    }
    const prefix = this.#hasPrefix(text, first);
    const sink = this.sink();
    const whole = prefix ? `▁${text}` : text;
    const parts = this.#split?.(whole);
    if (parts !== undefined && parts.join('') !== whole)
      throw failure(
        'encodeWithOffsets',
        'this vocabulary leaves out or adds characters between the parts of a text',
        'places are kept where every character is encoded',
      );
    const measured = parts?.map((part) => sink.measure(part, false)) ?? [sink.measure(text, prefix)];
    return {
      ids: measured.flatMap(({ ids }) => Array.from(ids)),
      lengths: measured.flatMap(({ lengths }) => Array.from(lengths)),
      prefix: prefix ? 1 : 0,
      wideSpaces: true,
    };
  }

  /** Whether the dummy space goes before this part of a text. */
  #hasPrefix(part: string, first: boolean): boolean {
    if (part === '' || !this.#settings.addDummyPrefix || (!first && this.prefix === 'first')) return false;
    return this.prefixBeforeSpace || !(part.startsWith(' ') || part.startsWith('▁'));
  }

  protected sink(): SentencePieceEncoder {
    return (this.#textEncoder ??= createSentencePieceEncoder(
      this.#pieces,
      this.#settings,
      this.#table,
      this.unkId ?? -1,
      this.merges,
      new Set(this.addedTokens.map(({ id }) => id)),
    ));
  }
}

function controlPieces(pieces: PieceList): AddedToken[] {
  const specials: AddedToken[] = [];
  for (let id = 0; id < pieces.size; id++) {
    if (pieces.types[id] === CONTROL || pieces.types[id] === UNKNOWN)
      specials.push({ id, content: pieces.name(id), special: true });
  }
  return specials;
}

/** `found`: ids that are found in a text before pieces are looked for. */
function indexPieces(
  pieces: PieceList,
  found: ReadonlySet<number>,
): {
  table: ByteTable;
  reserved: Map<string, number>;
  unkId: number | undefined;
} {
  const table = new ByteTable(pieces.pool, pieces.offsets);
  const reserved = new Map<string, number>();
  let unkId: number | undefined;
  for (let id = 0; id < pieces.size; id++) {
    const type = pieces.types[id];
    let twin = -1;
    if (type === NORMAL || type === UNUSED || (type === USER_DEFINED && !found.has(id))) {
      if (!pieces.spacedNames.has(id)) twin = table.add(id);
    } else {
      const name = pieces.name(id);
      twin = reserved.get(name) ?? -1;
      reserved.set(name, id);
      if (type === UNKNOWN) {
        if (unkId !== undefined)
          throw failure(
            'SentencePieceTokenizer',
            `pieces ${unkId} and ${id} are both the unknown piece`,
            'the file is damaged',
          );
        unkId = id;
      }
    }
    if (twin >= 0)
      throw failure(
        'SentencePieceTokenizer',
        `pieces ${twin} and ${id} are both '${pieces.name(id)}'`,
        'the file is damaged',
      );
  }
  return { table, reserved, unkId };
}
