/** Every error this project throws on bad input: `[op] what was wrong, with the actual values. hint: what to do`. */
export class CriaError extends Error {
  override readonly name = 'CriaError';
  /** The function, file or flag that refused. */
  readonly op: string;
  /** What was wrong, a sentence, without the rest. */
  readonly what: string;
  readonly hint: string | undefined;

  constructor(op: string, what: string, hint?: string, options?: ErrorOptions) {
    super(`[${op}] ${what}${hint === undefined ? '' : ` hint: ${hint}`}`, options);
    this.op = op;
    this.what = what;
    this.hint = hint;
  }
}

/**
 * Whether an error explains itself to its reader: a `CriaError`, or the like of a package that does
 * not know this one.
 */
export function isExplained(error: unknown): error is Error & Pick<CriaError, 'op' | 'hint'> {
  return error instanceof Error && 'op' in error && 'hint' in error;
}

/** Throws a `CriaError`; `what` ends with a full stop. */
export function fail(op: string, what: string, hint?: string, cause?: unknown): never {
  throw new CriaError(op, what, hint, cause === undefined ? undefined : { cause });
}

/**
 * What was wrong, for a message of another operation: an error within an error has one operation
 * and one hint, those of the outer one.
 */
export function whatOf(error: unknown): string {
  if (isExplained(error) && 'what' in error) return String(error.what);
  return error instanceof Error ? error.message : String(error);
}

/**
 * What a program prints of an error: its message where that was written for people, else the stack,
 * since it is a fault of ours.
 */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isForPeople(error) ? error.message : (error.stack ?? error.message);
}

/**
 * A refusal of the operating system (a full disk, a read-only folder) is the user's to mend; an
 * error may only say where one happened.
 */
function isForPeople(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return isExplained(error) || ('syscall' in error && 'code' in error) || isForPeople(error.cause);
}

/** The known name with the fewest edits from `name`, if it is close enough to have been meant. */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Rejects fields that a function does not know, naming the nearest one that it does. */
export function checkOptions(op: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    fail(
      op,
      `unknown option "${key}".`,
      nearest
        ? `did you mean "${nearest}"?`
        : known.length
          ? `known options are ${known.join(', ')}`
          : 'it has no options',
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
