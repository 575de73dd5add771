import { contentOf, findTag, type Piece, type PieceReader, spaceAtEnd } from './pieces.ts';

const OPEN = '<think>';
const CLOSE = '</think>';

/** Splits thoughts from an answer that begins with them, and gives the answer to the next reader. */
export class ReasoningReader implements PieceReader {
  readonly #answer: PieceReader;
  #state: 'start' | 'thinking' | 'between' | 'answer';
  #held = '';
  /** Whether a thought was told: white space before the first is nobody's. */
  #thought = false;

  /** `thinking`: the prompt has opened the thoughts already. */
  constructor(answer: PieceReader, thinking: boolean) {
    this.#answer = answer;
    this.#state = thinking ? 'thinking' : 'start';
  }

  push(text: string): Piece[] {
    if (this.#state === 'answer') return this.#answer.push(text);
    this.#held += text;
    if (this.#state === 'start') return this.#begin();
    if (this.#state === 'thinking') return this.#think();
    return this.#goOn();
  }

  end(): Piece[] {
    const held = this.#held;
    this.#held = '';
    if (this.#state === 'thinking') return [...thought(held.trimEnd()), ...this.#answer.end()];
    const rest = this.#state === 'between' ? [] : this.#answer.push(held);
    return [...rest, ...this.#answer.end()];
  }

  /** Nothing is told until it is certain whether the answer begins with the tag. */
  #begin(): Piece[] {
    const text = this.#held.trimStart();
    if (text.startsWith(OPEN)) {
      this.#state = 'thinking';
      this.#held = text.slice(OPEN.length);
      return this.#think();
    }
    if (OPEN.startsWith(text)) return [];
    return this.#hand();
  }

  /** Thoughts up to the closing tag, or up to what may become one; white space at their end is held back. */
  #think(): Piece[] {
    if (!this.#thought) this.#held = this.#held.trimStart();
    const found = findTag(this.#held, CLOSE);
    if ('at' in found) {
      const before = this.#held.slice(0, found.at).trimEnd();
      this.#held = this.#held.slice(found.at + CLOSE.length);
      this.#state = 'between';
      return [...thought(before), ...this.#goOn()];
    }
    const sure = this.#held.length - found.held;
    const kept = found.held + spaceAtEnd(this.#held.slice(0, sure));
    const text = this.#held.slice(0, this.#held.length - kept);
    this.#held = this.#held.slice(this.#held.length - kept);
    this.#thought ||= text !== '';
    return thought(text);
  }

  /** White space between thoughts and answer is neither's. */
  #goOn(): Piece[] {
    this.#held = this.#held.trimStart();
    return this.#held === '' ? [] : this.#hand();
  }

  #hand(): Piece[] {
    this.#state = 'answer';
    const held = this.#held;
    this.#held = '';
    return this.#answer.push(held);
  }
}

function thought(text: string): Piece[] {
  return text === '' ? [] : [{ kind: 'reasoning', text }];
}

/** An answer without calls. */
export const plainReader = (): PieceReader => ({ push: contentOf, end: () => [] });
