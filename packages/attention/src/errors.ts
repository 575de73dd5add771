/** What this package throws on bad input: `[op] what was wrong, with the actual values. hint: what to do`. */
export class AttentionError extends Error {
  override readonly name = 'AttentionError';
  /** The function that refused. */
  readonly op: string;
  readonly hint: string | undefined;

  constructor(op: string, what: string, hint?: string) {
    super(`[${op}] ${what}${hint === undefined ? '' : ` hint: ${hint}`}`);
    this.op = op;
    this.hint = hint;
  }
}

/** Throws an `AttentionError`; `what` ends with a full stop. */
export function fail(op: string, what: string, hint?: string): never {
  throw new AttentionError(op, what, hint);
}

/** Rejects fields that a function does not know, naming the nearest one that it does. */
export function checkNames(op: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const distance = (each: string) => editDistance(name.toLowerCase(), each.toLowerCase());
    const nearest = known.reduce((best, each) => (distance(each) < distance(best) ? each : best));
    const meant = distance(nearest) <= Math.max(2, name.length / 3);
    fail(
      op,
      `unknown option "${name}".`,
      meant ? `did you mean "${nearest}"?` : `options are ${known.join(', ')}`,
    );
  }
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
