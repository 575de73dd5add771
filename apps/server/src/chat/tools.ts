import { CallScanner } from './call-scanner.ts';
import type { CallStyle } from './family.ts';
import { contentOf, findTag, type Piece, type PieceReader, spaceAtEnd } from './pieces.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';
const PYTHON_TAG = '<|python_tag|>';

/** Finds calls of the named tools in an answer. */
export function toolReader(style: CallStyle, names: ReadonlySet<string>): PieceReader {
  const knows = (name: string) => names.has(name);
  return style === 'hermes' ? new HermesReader(knows) : new Llama3Reader(knows);
}

/**
 * `text <tool_call>{…}</tool_call>`, as often as the model likes. What is between tags and no call
 * of a known tool is text, and so is a tag that never comes to anything.
 */
class HermesReader implements PieceReader {
  readonly #knows: (name: string) => boolean;
  #held = '';
  #scanner: CallScanner | undefined;
  /** The call is read; its closing tag is due. */
  #closing = false;
  #calls = 0;

  constructor(knows: (name: string) => boolean) {
    this.#knows = knows;
  }

  push(text: string): Piece[] {
    this.#held += text;
    const pieces: Piece[] = [];
    for (let before = -1; before !== this.#held.length && this.#held !== '';) {
      before = this.#held.length;
      pieces.push(...this.#step());
    }
    return pieces;
  }

  end(): Piece[] {
    const scanner = this.#scanner;
    const held = this.#closing && CLOSE.startsWith(this.#held.trim()) ? '' : this.#held;
    this.#scanner = undefined;
    this.#held = '';
    // An answer that ends inside a call: what was told of it stays told.
    if (scanner) return scanner.told ? [] : contentOf(OPEN + scanner.raw + held);
    return contentOf(held);
  }

  #step(): Piece[] {
    if (this.#closing) return this.#close();
    const scanner = this.#scanner;
    if (!scanner) return this.#text();
    const { taken, pieces } = scanner.push(this.#held);
    this.#held = this.#held.slice(taken);
    if (scanner.state === 'open') return pieces;
    this.#scanner = undefined;
    if (scanner.state === 'failed' && !scanner.told) return contentOf(OPEN + scanner.raw);
    this.#calls++;
    this.#closing = true;
    return pieces;
  }

  /** The closing tag says nothing that the object's end did not say; models leave it out at times. */
  #close(): Piece[] {
    const text = this.#held.trimStart();
    if (text !== CLOSE && CLOSE.startsWith(text)) return [];
    this.#closing = false;
    this.#held = text.startsWith(CLOSE) ? text.slice(CLOSE.length) : text;
    return [];
  }

  /** Text up to the next tag, or up to what may become one. */
  #text(): Piece[] {
    const found = findTag(this.#held, OPEN);
    if ('at' in found) {
      const before = this.#held.slice(0, found.at).trimEnd();
      this.#held = this.#held.slice(found.at + OPEN.length);
      this.#scanner = new CallScanner(this.#calls, this.#knows);
      return contentOf(before);
    }
    // White space before a call is no text.
    const sure = this.#held.length - found.held;
    const kept = found.held + spaceAtEnd(this.#held.slice(0, sure));
    const text = this.#held.slice(0, this.#held.length - kept);
    this.#held = this.#held.slice(this.#held.length - kept);
    return contentOf(text);
  }
}

/**
 * The whole answer is one object, or several with `;` between, with or without the token for code
 * before them; an answer that begins otherwise is text, objects in it included.
 */
class Llama3Reader implements PieceReader {
  readonly #knows: (name: string) => boolean;
  #state: 'start' | 'call' | 'between' | 'text' = 'start';
  #held = '';
  #scanner: CallScanner | undefined;
  #calls = 0;

  constructor(knows: (name: string) => boolean) {
    this.#knows = knows;
  }

  push(text: string): Piece[] {
    this.#held += text;
    const pieces: Piece[] = [];
    for (let before = ''; before !== `${this.#state} ${this.#held.length}`;) {
      before = `${this.#state} ${this.#held.length}`;
      pieces.push(...this.#step());
    }
    return pieces;
  }

  end(): Piece[] {
    const scanner = this.#state === 'call' ? this.#scanner : undefined;
    const held = this.#held;
    this.#held = '';
    if (scanner) return scanner.told ? [] : contentOf(scanner.raw + held);
    return this.#state === 'between' && held.trim() === '' ? [] : contentOf(held);
  }

  #step(): Piece[] {
    if (this.#state === 'text') return this.#flush();
    if (this.#state === 'call') return this.#call();
    const separator = this.#state === 'between' ? /^[\s;,]*/ : /^\s*/;
    let text = this.#held.replace(separator, '');
    if (text.startsWith(PYTHON_TAG)) text = text.slice(PYTHON_TAG.length).trimStart();
    if (text === '' || PYTHON_TAG.startsWith(text)) return [];
    if (!text.startsWith('{')) {
      this.#state = 'text';
      return this.#flush();
    }
    this.#held = text;
    this.#state = 'call';
    this.#scanner = new CallScanner(this.#calls, this.#knows);
    return [];
  }

  /** An object that turns out to be no call is text, and so is all behind it. */
  #call(): Piece[] {
    const scanner = this.#scanner;
    if (!scanner || this.#held === '') return [];
    const { taken, pieces } = scanner.push(this.#held);
    this.#held = this.#held.slice(taken);
    if (scanner.state === 'open') return pieces;
    if (scanner.state === 'failed' && !scanner.told) {
      this.#held = scanner.raw + this.#held;
      this.#state = 'text';
      return this.#flush();
    }
    this.#calls++;
    this.#state = 'between';
    return pieces;
  }

  #flush(): Piece[] {
    const text = this.#held;
    this.#held = '';
    return contentOf(text);
  }
}
