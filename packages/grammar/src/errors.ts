/** Where in a schema something cannot be honoured. */
export interface SchemaPlace {
  /** JSON pointer as a fragment: `#/properties/name`. */
  readonly path: string;
  readonly keyword?: string;
}

/**
 * Everything this package throws: a grammar that cannot be honoured, or a token
 * that it does not allow.
 */
export class GrammarError extends Error {
  override readonly name = 'GrammarError';
  /** The function that refused. */
  readonly op: string;
  readonly hint: string | undefined;
  /** Of a JSON schema: the place of what is refused. */
  readonly place: SchemaPlace | undefined;

  constructor(op: string, what: string, hint?: string, place?: SchemaPlace) {
    super(`[${op}] ${what}${hint === undefined ? '' : ` hint: ${hint}`}`);
    this.op = op;
    this.hint = hint;
    this.place = place;
  }
}

/** @throws GrammarError; `what` ends with a full stop */
export function fail(op: string, what: string, hint?: string): never {
  throw new GrammarError(op, what, hint);
}

/** Refuses a part of a schema, naming it. */
export function refuse(place: SchemaPlace, what: string, hint?: string): never {
  const { path, keyword } = place;
  const where = keyword === undefined ? cut(path) : `${cut(path)}, "${cut(keyword)}"`;
  throw new GrammarError('compileSchema', `at ${where}: ${what}`, hint, place);
}

/** The end of a long path says more than its beginning. */
function cut(path: string): string {
  return path.length > 300 ? `…${path.slice(-300)}` : path;
}

/** Refuses an option this package does not know. */
export function checkOptions(op: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) fail(op, `unknown option "${name}".`, `options are ${known.join(', ')}`);
  }
}
