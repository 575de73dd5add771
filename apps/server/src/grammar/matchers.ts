import { Matcher, TokenTrie } from '@cria/grammar';
import type { Constraint } from '@cria/inference';
import type { Tokenizer } from '@cria/tokenizer';
import type { KeyedGrammar } from './grammar-compiler.ts';

/** Grammars whose masks are remembered, the last used. */
const MOST_KEPT = 16;

/** The engine's side of grammars: they meet the vocabulary here, and texts under one share what it finds out. */
export class Matchers {
  readonly #tokenizer: Tokenizer;
  readonly #endIds: readonly number[];
  readonly #kept = new Map<string, Matcher>();
  #trie: TokenTrie | undefined;

  constructor(tokenizer: Tokenizer, endIds: readonly number[]) {
    this.#tokenizer = tokenizer;
    this.#endIds = endIds;
  }

  /** For one text. */
  start({ key, grammar }: KeyedGrammar): Constraint {
    let matcher = this.#kept.get(key);
    this.#kept.delete(key);
    matcher ??= new Matcher(grammar, (this.#trie ??= this.#makeTrie()));
    this.#kept.set(key, matcher);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? key);
    return matcher.start();
  }

  /** Control tokens are no text. */
  #makeTrie(): TokenTrie {
    const { vocabSize, specialTokens } = this.#tokenizer;
    const tokens = Array.from({ length: vocabSize }, (_, id) => this.#tokenizer.tokenBytes(id));
    return TokenTrie.of(tokens, { endIds: this.#endIds, excluded: specialTokens.values() });
  }
}
