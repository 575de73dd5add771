/*
 * The header as the Rust library writes it, and so nearly everyone: no spaces, no escapes, dtype
 * before shape before data_offsets. Reading just that takes a third of the time of JSON.parse and a
 * search for equal keys.
 */

/** What a header says, by name; a name may be there twice. Nothing is checked but the form. */
export type HeaderEntries = [name: string, value: unknown][];

const [QUOTE, COMMA, NINE, ZERO, CLOSE_LIST, CLOSE_OBJECT] = [34, 44, 57, 48, 93, 125];

/** The entries of a header of the usual form; undefined for any other text, be it JSON or not. */
export function readUsualHeader(text: string): HeaderEntries | undefined {
  const scanner = new Scanner(text);
  const entries: HeaderEntries = [];
  if (!scanner.skip('{')) return undefined;
  do {
    const name = scanner.string();
    if (name === undefined || !scanner.skip(':{')) return undefined;
    const value = name === '__metadata__' ? scanner.texts() : scanner.tensor();
    if (!value) return undefined;
    entries.push([name, value]);
  } while (scanner.skip(','));
  return scanner.skip('}') && scanner.onlySpaces() ? entries : undefined;
}

class Scanner {
  #at = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  skip(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  onlySpaces(): boolean {
    return /^ *$/.test(this.#text.slice(this.#at));
  }

  /** "…" without escapes and control characters. */
  string(): string | undefined {
    const start = this.#at + 1;
    if (this.#text.charCodeAt(start - 1) !== QUOTE) return undefined;
    for (let i = start; i < this.#text.length; i++) {
      const code = this.#text.charCodeAt(i);
      if (code < 32 || code === 92) return undefined;
      if (code === QUOTE) {
        this.#at = i + 1;
        return this.#text.slice(start, i);
      }
    }
    return undefined;
  }

  /** What follows `{` of a map of strings. */
  texts(): Record<string, string> | undefined {
    const found = new Map<string, string>();
    do {
      const key = this.string();
      const value = this.skip(':') ? this.string() : undefined;
      if (key === undefined || value === undefined || found.has(key)) return undefined;
      found.set(key, value);
    } while (this.skip(','));
    return this.skip('}') ? Object.fromEntries(found) : undefined;
  }

  /** What follows `{` of a tensor. */
  tensor(): { dtype: string; shape: number[]; data_offsets: number[] } | undefined {
    const dtype = this.skip('"dtype":') ? this.string() : undefined;
    const shape = this.skip(',"shape":[') ? this.#sizes() : undefined;
    const offsets = this.skip(',"data_offsets":[') ? this.#sizes() : undefined;
    if (dtype === undefined || !shape || !offsets || this.#text.charCodeAt(this.#at) !== CLOSE_OBJECT)
      return undefined;
    this.#at++;
    return { dtype, shape, data_offsets: offsets };
  }

  /** What follows `[` of a list of whole numbers that a double holds exactly. */
  #sizes(): number[] | undefined {
    const sizes: number[] = [];
    if (this.skip(']')) return sizes;
    for (let i = this.#at; ;) {
      const start = i;
      let value = 0;
      let code = this.#text.charCodeAt(i);
      for (; code >= ZERO && code <= NINE; code = this.#text.charCodeAt(++i))
        value = 10 * value + code - ZERO;
      const digits = i - start;
      if (digits === 0 || digits > 15 || (digits > 1 && this.#text.charCodeAt(start) === ZERO))
        return undefined;
      sizes.push(value);
      i++;
      if (code === CLOSE_LIST) {
        this.#at = i;
        return sizes;
      }
      if (code !== COMMA) return undefined;
    }
  }
}
