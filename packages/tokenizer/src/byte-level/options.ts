import type { AddedToken } from '../added-tokens.ts';
import type { MergeList } from '../bpe/merge-list.ts';
import type { TokenBytes } from '../bytes/token-bytes.ts';
import type { NormalizerStep } from '../text/normalizers.ts';
import type { SplitPattern } from '../text/splitter.ts';

/** What a byte-level vocabulary is made of. */
export interface ByteLevelOptions {
  /** Bytes of every id; an id of `addedTokens` or `unused` has its text's bytes. */
  readonly tokens: TokenBytes;
  /** Tokens that are found in a text as they stand: special ones where allowed, others always. */
  readonly addedTokens: readonly AddedToken[];
  /**
   * Ids that no text gives: placeholders, the unknown token. Their bytes are only what they decode
   * to.
   */
  readonly unused?: ReadonlySet<number>;
  /** What happens to a text first. Default: nothing. */
  readonly normalizer?: readonly NormalizerStep[];
  /** What cuts the text: one expression in tiktoken's dialect, or steps (splitter.ts). */
  readonly pattern: SplitPattern;
  /**
   * The merges in order, or 'ranks': two tokens merge where their bytes together are a token, lower
   * ids first (tiktoken).
   */
  readonly merges: MergeList | 'ranks';
  /** A chunk that is a token as a whole is that token, whatever the merges give. */
  readonly wholeChunks: boolean;
  readonly bosId?: number | undefined;
  readonly eosId?: number | undefined;
  readonly unkId?: number | undefined;
  readonly padId?: number | undefined;
  /** Whether texts begin with BOS. Default: there is a BOS token. */
  readonly addsBos?: boolean | undefined;
  /** Whether texts end with EOS. Default false. */
  readonly addsEos?: boolean | undefined;
  /**
   * The token of a byte that has none. Default: such bytes are left out, as tokenizers and
   * llama.cpp do.
   */
  readonly missingByteId?: number | undefined;
}
