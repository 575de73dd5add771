/**
 * Which characters may stand together in a piece: IsValidSentencePiece of trainer_interface.cc,
 * kept per symbol so that a pair is checked in a few steps.
 */
import type { PairRules } from './bpe-trainer.ts';
import { GrowingInts } from './growing.ts';
import { INHERITED, scriptOf } from './unicode-scripts.ts';

export interface PieceLimits {
  readonly maxSentencepieceLength: number;
  readonly splitDigits: boolean;
  readonly splitByUnicodeScript: boolean;
  readonly splitByNumber: boolean;
  readonly allowWhitespaceOnlyPieces: boolean;
}

const SPACE = 0x20;
/** No script of its own: takes that of its neighbours. */
const ANY = -1;
/** Of `head`: the symbol has no character that decides. */
const OPEN = -2;

const HAS_SPACE = 1;
const ALL_SPACE = 2;
const ALONE = 4; // joins with nothing
const PASSES = 8; // its last script is that of what stands before it

/** `alphabet[i]`: code point of character i + 1. */
export function scriptRules(alphabet: readonly number[], limits: PieceLimits): PairRules {
  const flags = new GrowingInts(1024);
  const lengths = new GrowingInts(1024);
  const heads = new GrowingInts(1024);
  const tails = new GrowingInts(1024);
  const define = (symbol: number, flag: number, length: number, head: number, tail: number): void => {
    flags.set(symbol, flag);
    lengths.set(symbol, length);
    heads.set(symbol, head);
    tails.set(symbol, tail);
  };

  return {
    addCharacter(symbol) {
      const code = alphabet[symbol - 1];
      const digit = (code >= 0x30 && code <= 0x39) || (code >= 0xff10 && code <= 0xff19);
      const script = scriptOf(code);
      if (code === SPACE) define(symbol, HAS_SPACE | ALL_SPACE | PASSES, 1, OPEN, ANY);
      else if (code === 0x2585) define(symbol, ALONE, 1, OPEN, ANY);
      else if (digit && limits.splitDigits) define(symbol, ALONE, 1, script, script);
      else if (digit && !limits.splitByNumber) define(symbol, 0, 1, ANY, ANY);
      else if (script === INHERITED) define(symbol, PASSES, 1, OPEN, ANY);
      else define(symbol, 0, 1, script, script);
    },

    addMerge(symbol, left, right) {
      const a = flags.data[left];
      const b = flags.data[right];
      define(
        symbol,
        ((a | b) & HAS_SPACE) | (a & b & (ALL_SPACE | PASSES)),
        lengths.data[left] + lengths.data[right],
        heads.data[left] === OPEN ? heads.data[right] : heads.data[left],
        (b & PASSES) !== 0 ? tails.data[left] : tails.data[right],
      );
    },

    mayJoin(left, right) {
      const a = flags.data[left];
      const b = flags.data[right];
      if (((a | b) & ALONE) !== 0) return false;
      if (lengths.data[left] + lengths.data[right] > limits.maxSentencepieceLength) return false;
      if ((a & b & ALL_SPACE) !== 0) return limits.allowWhitespaceOnlyPieces;
      if ((b & HAS_SPACE) !== 0) return false;
      if ((a & ALL_SPACE) !== 0 && lengths.data[left] > 1) return false;
      const tail = tails.data[left];
      const head = heads.data[right];
      return !limits.splitByUnicodeScript || tail === ANY || head < 0 || tail === head;
    },
  };
}
