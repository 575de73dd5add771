/**
 * The tokenizer of LLaMA 1 and 2: SentencePiece BPE with byte fallback.
 *
 * Encoding puts a space before the text and merges over all of it. But no merge crosses a place whose two characters meet in no piece (a
 * word and the space behind it, a letter and a full stop): the text is cut there and every part is encoded by itself
 * (sentencepiece-encoder.ts). sentencepiece-plain.ts has the definition, and takes over for vocabularies outside the fast path.
 */
import { ByteTable } from './byte-table.ts';
import type { MergeList } from './byte-level.ts';
import { checkOptions, failure } from './errors.ts';
import { sentencePieceFingerprint } from './fingerprint.ts';
import { OffsetCollector } from './offsets.ts';
import { CONTROL, NORMAL, UNKNOWN, UNUSED, USER_DEFINED, type PieceList } from './piece-list.ts';
import {
  DEFAULT_SETTINGS,
  modelFromPieces,
  type SentencePieceModel,
  type SentencePieceSettings,
} from './sentencepiece-model.ts';
import { SentencePieceDecoder } from './sentencepiece-decoder.ts';
import { createSentencePieceEncoder, type SentencePieceEncoder } from './sentencepiece-encoder.ts';
import { SpecialTokens } from './special-tokens.ts';
import type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
import { encodeUtf8 } from './utf8.ts';

export const ENCODE_OPTIONS = ['addBos', 'addEos', 'allowedSpecial'];

export interface SentencePieceOptions {
  /**
   * Where the dummy space goes when special tokens cut the text: 'always' before each part (the default: llama.cpp, and Hugging Face's
   * legacy mode) or 'first', only at the very beginning.
   */
  readonly prefix?: 'always' | 'first';
  /** Put the dummy space also before a text that begins with a space. Default true; false is Hugging Face's Metaspace rule. */
  readonly prefixBeforeSpace?: boolean;
  /** The merges in order, where they come as a list; else pieces merge by score. */
  readonly merges?: MergeList;
  /** Special tokens by name. Default: the control and unknown pieces. */
  readonly specialTokens?: ReadonlyMap<string, number>;
}

export class SentencePieceTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unkId: number | undefined;
  readonly padId: number | undefined;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly model: SentencePieceModel;
  readonly prefix: 'always' | 'first';
  readonly prefixBeforeSpace: boolean;
  readonly merges: MergeList | undefined;

  private readonly pieces: PieceList;
  private readonly settings: SentencePieceSettings;
  private readonly table: ByteTable;
  private readonly specials: SpecialTokens;
  private readonly decoder: SentencePieceDecoder;
  private readonly reservedIds: ReadonlyMap<string, number>;
  private textEncoder: SentencePieceEncoder | undefined;
  private hash: string | undefined;

  /** From a model that was read, or from pieces of another source. Throws when the vocabulary cannot work. */
  constructor(model: SentencePieceModel, options: SentencePieceOptions = {}) {
    checkOptions('SentencePieceTokenizer', options, [
      'prefix',
      'prefixBeforeSpace',
      'merges',
      'specialTokens',
    ]);
    this.model = model;
    this.pieces = model.pieces;
    this.settings = model.settings;
    this.prefix = options.prefix ?? 'always';
    this.prefixBeforeSpace = options.prefixBeforeSpace ?? true;
    this.merges = options.merges;
    this.vocabSize = this.pieces.size;
    const { table, reserved, unkId } = indexPieces(this.pieces);
    this.table = table;
    this.reservedIds = reserved;
    const inRange = (id: number): number | undefined => (id >= 0 && id < this.vocabSize ? id : undefined);
    this.unkId = unkId ?? inRange(this.settings.unkId);
    this.bosId = inRange(this.settings.bosId);
    this.eosId = inRange(this.settings.eosId);
    this.padId = inRange(this.settings.padId);
    if (this.unkId === undefined && !this.settings.byteFallback) {
      throw failure(
        'SentencePieceTokenizer',
        'the vocabulary has no unknown piece',
        'one piece must have type 2',
      );
    }
    this.specialTokens = options.specialTokens ?? controlPieces(this.pieces);
    this.specials = new SpecialTokens(this.specialTokens);
    this.decoder = new SentencePieceDecoder(this.pieces, this.settings);
  }

  /** From a list of pieces. Settings that are not given are LLaMA's: byte fallback, dummy prefix, nothing trimmed. */
  static fromPieces(
    pieces: PieceList,
    settings: Partial<SentencePieceSettings> = {},
    options: SentencePieceOptions = {},
  ): SentencePieceTokenizer {
    const all = { ...DEFAULT_SETTINGS, byteFallback: true, removeExtraWhitespaces: false, ...settings };
    return new SentencePieceTokenizer(modelFromPieces(pieces, all), options);
  }

  get fingerprint(): string {
    return (this.hash ??= sentencePieceFingerprint(this));
  }

  encode(text: string, options?: EncodeOptions): Int32Array {
    const encoder = this.encoder();
    if (options === undefined) {
      encoder.encode(text, this.hasPrefix(text, 0));
      return encoder.take();
    }
    checkOptions('encode', options, ENCODE_OPTIONS);
    const bos = options.addBos === true ? this.required('bos', this.bosId) : -1;
    const eos = options.addEos === true ? this.required('eos', this.eosId) : -1;
    const segments = this.specials.split(text, options.allowedSpecial);
    if (bos >= 0) encoder.append(bos);
    segments.forEach(({ start, end, special }, i) => {
      if (special >= 0) encoder.append(special);
      else {
        const part = text.slice(start, end);
        encoder.encode(part, this.hasPrefix(part, i));
      }
    });
    if (eos >= 0) encoder.append(eos);
    return encoder.take();
  }

  /** Plain texts and ids side by side: special tokens whose text nobody can inject. Rules of the dummy space as between special tokens. */
  encodeParts(parts: readonly (string | number)[]): Int32Array {
    const encoder = this.encoder();
    encoder.clear(); // whatever an error left behind
    parts.forEach((part, i) => {
      if (typeof part === 'string') encoder.encode(part, this.hasPrefix(part, i));
      else {
        this.checkId('encodeParts', part);
        encoder.append(part);
      }
    });
    return encoder.take();
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Int32Array[] {
    return texts.map((text) => this.encode(text, options));
  }

  countTokens(text: string): number {
    const encoder = this.encoder();
    encoder.encode(text, this.hasPrefix(text, 0));
    const { count } = encoder;
    encoder.clear();
    return count;
  }

  encodeWithOffsets(text: string, options: EncodeOptions = {}): Encoding {
    checkOptions('encodeWithOffsets', options, ENCODE_OPTIONS);
    const { removeExtraWhitespaces, treatWhitespaceAsSuffix } = this.settings;
    if (removeExtraWhitespaces || treatWhitespaceAsSuffix) {
      throw failure(
        'encodeWithOffsets',
        'this vocabulary trims or moves spaces',
        'offsets are kept for models that encode every space, as LLaMA does',
      );
    }
    const collector = new OffsetCollector();
    const bos = options.addBos === true ? this.required('bos', this.bosId) : -1;
    const eos = options.addEos === true ? this.required('eos', this.eosId) : -1;
    if (bos >= 0) collector.addEmpty(bos);
    collector.addSegments(text, this.specials.split(text, options.allowedSpecial), (part, index) => {
      const prefix = this.hasPrefix(part, index);
      const { ids, lengths } = this.encoder().measure(part, prefix);
      return { ids, lengths, prefix: prefix ? 1 : 0, wideSpaces: true };
    });
    if (eos >= 0) collector.addEmpty(eos);
    return collector.finish();
  }

  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    checkOptions('decode', options, ['skipSpecialTokens']);
    return this.decoder.decode(ids, options.skipSpecialTokens ?? true);
  }

  decodeStream(options: DecodeOptions = {}): TokenDecoder {
    checkOptions('decodeStream', options, ['skipSpecialTokens']);
    return this.decoder.stream(options.skipSpecialTokens ?? true);
  }

  idToPiece(id: number): string {
    this.checkId('idToPiece', id);
    return this.pieces.name(id);
  }

  pieceToId(piece: string): number | undefined {
    const reserved = this.reservedIds.get(piece);
    if (reserved !== undefined) return reserved;
    if (piece.includes(' ')) {
      for (const [id, name] of this.pieces.spacedNames) if (name === piece) return id;
      return undefined;
    }
    const bytes = encodeUtf8(piece.replaceAll('▁', ' '));
    const id = this.table.find(bytes, 0, bytes.length);
    return id < 0 ? undefined : id;
  }

  tokenBytes(id: number): Uint8Array {
    this.checkId('tokenBytes', id);
    return this.decoder.bytes(id);
  }

  private checkId(op: string, id: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize) {
      throw failure(op, `id ${id} is outside the vocabulary`, `ids are 0 to ${this.vocabSize - 1}`);
    }
  }

  private required(name: string, id: number | undefined): number {
    if (id === undefined)
      throw failure(
        'encode',
        `this vocabulary has no ${name} token`,
        `leave add${name === 'bos' ? 'Bos' : 'Eos'} out`,
      );
    return id;
  }

  /** Whether the dummy space goes before this part of a text. */
  private hasPrefix(part: string, index: number): boolean {
    if (!this.settings.addDummyPrefix || (index > 0 && this.prefix === 'first')) return false;
    return this.prefixBeforeSpace || !(part.startsWith(' ') || part.startsWith('▁'));
  }

  /** Made on first use: a tokenizer that only decodes does not need it. */
  private encoder(): SentencePieceEncoder {
    return (this.textEncoder ??= createSentencePieceEncoder(
      this.pieces,
      this.settings,
      this.table,
      this.unkId ?? -1,
      this.merges,
    ));
  }
}

function controlPieces(pieces: PieceList): ReadonlyMap<string, number> {
  const specials = new Map<string, number>();
  for (let id = 0; id < pieces.size; id++) {
    if (pieces.types[id] === CONTROL || pieces.types[id] === UNKNOWN) specials.set(pieces.name(id), id);
  }
  return specials;
}

function indexPieces(pieces: PieceList): {
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
    if (type === NORMAL || type === USER_DEFINED || type === UNUSED) {
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
