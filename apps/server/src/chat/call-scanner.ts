import type { Piece } from './pieces.ts';

/** Names under which models write the arguments. */
const ARGUMENTS = new Set(['arguments', 'parameters']);

/**
 * Reads one call, a JSON object with a name and arguments, as it comes: the name is told when it is
 * complete, the arguments as they are written. The two may come in either order. It only follows
 * strings and brackets; whether the arguments are good JSON is for whoever takes them.
 */
export class CallScanner {
  readonly #call: number;
  readonly #knows: (name: string) => boolean;
  /** All that was read of the object. */
  raw = '';
  state: 'open' | 'done' | 'failed' = 'open';
  /** Whether the call was told of. */
  told = false;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Key of the value that is read, or undefined between values. */
  #key: string | undefined;
  #keyStart = -1;
  #valueStart = -1;
  /** Arguments that came before the name, or are not told yet. */
  #waiting = '';
  #quoted = false;

  /** `knows`: whether a tool has this name; otherwise the object is no call. */
  constructor(call: number, knows: (name: string) => boolean) {
    this.#call = call;
    this.#knows = knows;
  }

  /** Takes characters up to the end of the object; returns how many, and what they tell. */
  push(text: string): { readonly taken: number; readonly pieces: Piece[] } {
    const pieces: Piece[] = [];
    let taken = 0;
    while (taken < text.length && this.state === 'open') this.#take(text.charAt(taken++), pieces);
    pieces.push(...this.#tellArguments());
    return { taken, pieces };
  }

  /** Outside strings brackets count levels; on the first, keys and values are told apart. */
  #take(character: string, pieces: Piece[]): void {
    this.raw += character;
    if (this.#depth === 0) {
      if (character === '{') this.#depth = 1;
      else if (character.trim() !== '') this.state = 'failed';
      return;
    }
    if (this.#inString) return this.#takeInString(character);
    const atTop = this.#depth === 1;
    if (atTop && (character === ',' || character === '}')) return this.#endValue(character, pieces);
    if (atTop && this.#key !== undefined && this.#valueStart < 0) {
      if (character === ':' || character.trim() === '') return;
      this.#valueStart = this.raw.length - 1;
      this.#quoted = character === '"' && ARGUMENTS.has(this.#key);
    }
    if (character === '"') {
      this.#inString = true;
      if (atTop && this.#key === undefined) this.#keyStart = this.raw.length - 1;
    } else if (character === '{' || character === '[') this.#depth++;
    else if (character === '}' || character === ']') this.#depth--;
    this.#collect(character);
  }

  /** Nothing inside a string ends anything but the string. */
  #takeInString(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (character === '\\') this.#escaped = true;
    else if (character === '"') {
      this.#inString = false;
      if (this.#key === undefined && this.#keyStart >= 0) {
        this.#key = String(parse(this.raw.slice(this.#keyStart)));
        return;
      }
    }
    this.#collect(character);
  }

  /** Keeps the arguments, and nothing else, to be told. */
  #collect(character: string): void {
    if (this.#valueStart >= 0 && ARGUMENTS.has(this.#key ?? '')) this.#waiting += character;
  }

  /** A comma or the last bracket ends a value, which is looked at by its key. */
  #endValue(character: string, pieces: Piece[]): void {
    if (this.#key === 'name') {
      const name = parse(this.raw.slice(this.#valueStart, -1));
      if (typeof name !== 'string' || !this.#knows(name)) return void (this.state = 'failed');
      if (!this.told) pieces.push({ kind: 'call', call: this.#call, name });
      this.told = true;
    }
    if (ARGUMENTS.has(this.#key ?? '') && this.#quoted) {
      // Some models write the arguments as the text of JSON, which is what is told anyway.
      const text = parse(this.#waiting.trimEnd());
      this.#waiting = typeof text === 'string' ? text : this.#waiting;
      this.#quoted = false;
    }
    pieces.push(...this.#tellArguments());
    [this.#key, this.#keyStart, this.#valueStart] = [undefined, -1, -1];
    if (character === '}') this.state = this.told ? 'done' : 'failed';
  }

  #tellArguments(): Piece[] {
    if (!this.told || this.#quoted || this.#waiting === '') return [];
    const text = this.#waiting;
    this.#waiting = '';
    return [{ kind: 'arguments', call: this.#call, text }];
  }
}

/** The value, or undefined where it is no JSON: a model wrote it. */
function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
