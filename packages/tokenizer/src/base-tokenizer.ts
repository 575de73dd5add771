/**
 * What both kinds of tokenizer share: special and added tokens, the ids around a text, checks of
 * ids. A kind says how plain text between those tokens is encoded.
 *
 * A text goes: added tokens as they stand → normalisation of what is between them → added tokens
 * that are looked for in normalised text → plain parts. A vocabulary without normalisation or added
 * tokens goes straight to the last step.
 */
import { AddedTokens, isSpecial, type AddedToken } from './added-tokens.ts';
import { checkOptions, failure, nearestHint } from './errors.ts';
import { OffsetCollector, type MeasuredIds } from './offsets.ts';
import type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';

/** Collects the ids of texts; `take` hands them over. */
export interface IdSink {
  readonly count: number;
  append(id: number): void;
  take(): Int32Array;
  clear(): void;
}

/** A plain part of a text, between added tokens. */
export interface PlainPart {
  /** Normalised where the tokenizer normalises. */
  readonly text: string;
  /** Whether it begins the text. */
  readonly first: boolean;
}

export interface BaseOptions {
  readonly vocabSize: number;
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  readonly unkId?: number | undefined;
  readonly padId?: number | undefined;
  /** Default: there is a BOS token. */
  readonly addsBos?: boolean | undefined;
  /** Default false. */
  readonly addsEos?: boolean | undefined;
  readonly added: readonly AddedToken[];
  /** What happens to text before it is cut into parts. Default: nothing. */
  readonly normalize?: ((text: string) => string) | undefined;
}

const ENCODE_OPTIONS = ['addBos', 'addEos', 'allowedSpecial'];

export abstract class BaseTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  readonly unkId: number | undefined;
  readonly padId: number | undefined;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  readonly specialTokens: ReadonlyMap<string, number>;
  readonly addedTokens: readonly AddedToken[];

  readonly #raw: AddedTokens;
  /** Looked for in normalised text; undefined where there are none. */
  readonly #normalized: AddedTokens | undefined;
  readonly #normalize: ((text: string) => string) | undefined;
  /** Plain text needs no search for added tokens and no normalisation. */
  readonly #plain: boolean;

  constructor(op: string, options: BaseOptions) {
    const { added, normalize } = options;
    this.vocabSize = options.vocabSize;
    this.bosId = options.bosId;
    this.eosId = options.eosId;
    this.unkId = options.unkId;
    this.padId = options.padId;
    this.addsBos = options.addsBos ?? options.bosId !== undefined;
    this.addsEos = options.addsEos ?? false;
    if (this.addsBos && this.bosId === undefined)
      throw failure(
        op,
        'texts should begin with BOS, but there is no BOS token',
        'name one, or leave it out',
      );
    if (this.addsEos && this.eosId === undefined)
      throw failure(op, 'texts should end with EOS, but there is no EOS token', 'name one, or leave it out');
    this.addedTokens = added;
    this.specialTokens = new Map(added.filter(isSpecial).map(({ content, id }) => [content, id]));
    for (const { content, id } of added)
      if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize)
        throw failure(
          op,
          `the id ${id} of ${content} is outside the vocabulary`,
          `ids are 0 to ${this.vocabSize - 1}`,
        );
    this.#normalize = normalize;
    this.#raw = new AddedTokens(added.filter(({ normalized }) => normalized !== true));
    const late = added.filter(({ normalized }) => normalized === true);
    this.#normalized = late.length === 0 ? undefined : new AddedTokens(late, normalize);
    this.#plain = !this.#raw.always && this.#normalized?.always !== true && normalize === undefined;
  }

  abstract readonly fingerprint: string;

  /** Made on first use: a tokenizer that only decodes does not need it. */
  protected abstract sink(): IdSink;
  /** Appends the ids of a part to the sink. */
  protected abstract encodePlain(text: string, first: boolean): void;
  /** Ids of a part with the bytes each covers. */
  protected abstract measurePlain(text: string, first: boolean): MeasuredIds;

  encode(text: string, options?: EncodeOptions): Int32Array {
    const sink = this.sink();
    if (options === undefined && this.#plain) {
      if (sink.count > 0) sink.clear(); // whatever an error left behind
      this.encodePlain(text, true);
      return sink.take();
    }
    const { bos, eos } = this.#ends('encode', options);
    sink.clear();
    if (bos >= 0) sink.append(bos);
    this.#encodeText(text, options?.allowedSpecial, true);
    if (eos >= 0) sink.append(eos);
    return sink.take();
  }

  /**
   * Plain texts and ids side by side: special tokens whose text nobody can inject. Spaces as
   * between special tokens of one text.
   */
  encodeParts(parts: readonly (string | number)[]): Int32Array {
    const sink = this.sink();
    sink.clear();
    parts.forEach((part, i) => {
      if (typeof part === 'string') return this.#encodeText(part, 'none', i === 0);
      this.checkId('encodeParts', part);
      sink.append(part);
    });
    return sink.take();
  }

  encodeBatch(texts: readonly string[], options?: EncodeOptions): Int32Array[] {
    return texts.map((text) => this.encode(text, options));
  }

  countTokens(text: string): number {
    const sink = this.sink();
    sink.clear();
    this.#encodeText(text, 'none', true);
    const { count } = sink;
    sink.clear();
    return count;
  }

  encodeWithOffsets(text: string, options: EncodeOptions = {}): Encoding {
    const { bos, eos } = this.#ends('encodeWithOffsets', options);
    const collector = new OffsetCollector();
    if (bos >= 0) collector.addEmpty(bos);
    this.#parts(text, options.allowedSpecial, true, {
      token: (id, source) => collector.addToken(id, source),
      plain: ({ text: part, first }, source) => {
        if (part !== source)
          throw failure(
            'encodeWithOffsets',
            'this vocabulary changes the text before it is cut into tokens',
            'places are kept where normalisation leaves a text as it is',
          );
        collector.addPart(part, this.measurePlain(part, first));
      },
    });
    if (eos >= 0) collector.addEmpty(eos);
    return collector.finish();
  }

  abstract decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  abstract decodeStream(options?: DecodeOptions): TokenDecoder;
  abstract idToPiece(id: number): string;
  abstract pieceToId(piece: string): number | undefined;
  abstract tokenBytes(id: number): Uint8Array;

  protected checkId(op: string, id: number): void {
    if (!Number.isInteger(id) || id < 0 || id >= this.vocabSize)
      throw failure(op, `id ${id} is outside the vocabulary`, `ids are 0 to ${this.vocabSize - 1}`);
  }

  #encodeText(text: string, allowed: EncodeOptions['allowedSpecial'], first: boolean): void {
    const sink = this.sink();
    this.#parts(text, allowed, first, {
      token: (id) => sink.append(id),
      plain: (part) => this.encodePlain(part.text, part.first),
    });
  }

  /**
   * Cuts a text at its added tokens; `source` is the stretch of the text that a token or part
   * stands for.
   */
  #parts(
    text: string,
    allowed: EncodeOptions['allowedSpecial'],
    first: boolean,
    visit: {
      readonly token: (id: number, source: string) => void;
      readonly plain: (part: PlainPart, source: string) => void;
    },
  ): void {
    const normalize = this.#normalize;
    for (const { start, end, id } of this.#raw.split(text, allowed)) {
      const source = text.slice(start, end);
      const begins = first && start === 0;
      if (id >= 0) {
        visit.token(id, source);
        continue;
      }
      const normal = normalize === undefined ? source : normalize(source);
      if (this.#normalized === undefined) {
        visit.plain({ text: normal, first: begins }, source);
        continue;
      }
      for (const inner of this.#normalized.split(normal, allowed)) {
        const part = normal.slice(inner.start, inner.end);
        const from = normal === source ? part : source; // else places in the source are not known
        if (inner.id >= 0) visit.token(inner.id, from);
        else visit.plain({ text: part, first: begins && inner.start === 0 }, from);
      }
    }
  }

  /** Ids around a text, −1 for none. */
  #ends(op: string, options: EncodeOptions | undefined): { readonly bos: number; readonly eos: number } {
    checkOptions(op, options, ENCODE_OPTIONS);
    const allowed = options?.allowedSpecial;
    // Array.isArray does not narrow readonly arrays
    if (Array.isArray(allowed)) for (const name of allowed as readonly string[]) this.#checkSpecial(name);
    return {
      bos: options?.addBos === true ? required('bos', this.bosId) : -1,
      eos: options?.addEos === true ? required('eos', this.eosId) : -1,
    };
  }

  #checkSpecial(name: string): void {
    if (!this.specialTokens.has(name))
      throw failure(
        'encode',
        `'${name}' is no special token of this vocabulary`,
        nearestHint(name, this.specialTokens.keys()),
      );
  }
}

function required(name: 'bos' | 'eos', id: number | undefined): number {
  if (id === undefined)
    throw failure(
      'encode',
      `this vocabulary has no ${name} token`,
      `leave add${name === 'bos' ? 'Bos' : 'Eos'} out`,
    );
  return id;
}
