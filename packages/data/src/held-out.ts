import { contentHash, hashToUnit } from './content-hash.ts';
import type { Split } from './options.ts';

export interface TokenisedDocument {
  readonly text: string;
  readonly ids: Int32Array;
}

/**
 * Sends the documents of a source to their splits. A document is held out when the hash of its
 * content and the seed falls below the share. As long as none was, the document nearest to it is
 * kept back, and held out at the end: so that a source of two documents or more always has
 * something to validate on, whatever its size.
 */
export class HeldOut {
  readonly #seed: number;
  readonly #share: number;
  readonly #write: (split: Split, document: TokenisedDocument) => void;
  #nearest: { readonly place: number; readonly document: TokenisedDocument } | undefined;
  #trained = 0;
  #heldOut = 0;

  constructor(seed: number, share: number, write: (split: Split, document: TokenisedDocument) => void) {
    this.#seed = seed;
    this.#share = share;
    this.#write = write;
  }

  add(document: TokenisedDocument): void {
    if (this.#share === 0) return this.#train(document);
    const place = hashToUnit(this.#seed, contentHash(document.text));
    if (place < this.#share) {
      this.#heldOut++;
      this.#write('validation', document);
    } else if (this.#heldOut > 0) {
      this.#train(document);
    } else if (!this.#nearest || place < this.#nearest.place) {
      if (this.#nearest) this.#train(this.#nearest.document);
      this.#nearest = { place, document };
    } else {
      this.#train(document);
    }
  }

  end(): void {
    if (!this.#nearest) return;
    if (this.#heldOut === 0 && this.#trained > 0) this.#write('validation', this.#nearest.document);
    else this.#train(this.#nearest.document);
    this.#nearest = undefined;
  }

  #train(document: TokenisedDocument): void {
    this.#trained++;
    this.#write('train', document);
  }
}
