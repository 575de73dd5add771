/** Every error of this package: `[op] what was wrong, with values. hint: what to do`. */
export class TokenizerError extends Error {
  override readonly name = 'TokenizerError';
  /** The function that refused. */
  readonly op: string;
  /** Without the full stop. */
  readonly what: string;
  readonly hint: string;

  constructor(op: string, what: string, hint: string, options?: ErrorOptions) {
    super(`[${op}] ${what}. hint: ${hint}`, options);
    this.op = op;
    this.what = what;
    this.hint = hint;
  }
}

export function failure(op: string, what: string, hint: string): TokenizerError {
  return new TokenizerError(op, what, hint);
}

/** Throws when `options` has a field outside `known`, naming the nearest known one. */
export function checkOptions(op: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (options === null || typeof options !== 'object') {
    throw failure(
      op,
      `options must be an object, got ${options === null ? 'null' : typeof options}`,
      `pass { ${known.join(', ')} }`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw failure(op, `unknown option '${name}'`, nearestHint(name, known));
  }
}

/** "did you mean 'x'? known: …" */
export function nearestHint(name: string, known: Iterable<string>): string {
  const names = [...known];
  const best = names
    .map((candidate) => ({ candidate, distance: editDistance(name.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const list = `known: ${names.slice(0, 12).join(', ')}${names.length > 12 ? ', …' : ''}`;
  if (best === undefined || best.distance > Math.max(2, name.length / 2)) return list;
  return `did you mean '${best.candidate}'? ${list}`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** A short, printable form of a text for an error message. */
export function quote(text: string, limit = 40): string {
  return JSON.stringify(text.length > limit ? `${text.slice(0, limit)}…` : text);
}
