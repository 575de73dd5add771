/**
 * How many rows each of several prompts gets of `budget`: as equal parts as can be, none more than
 * it needs, and what one does not need goes to the others. So a short prompt beside a long one is
 * read at once. Where there are fewer rows than prompts, the first ones get one each.
 *
 * `needs`: 1 or more each.  @returns a number for each, together the smaller of `budget` and all needs
 */
export function spreadRows(budget: number, needs: readonly number[]): number[] {
  const { length } = needs;
  if (budget < length) return needs.map((_, i) => (i < budget ? 1 : 0));
  const rows = needs.map(() => 0);
  // The smallest need first; of equals the last, so that what does not divide goes to the first ones.
  const byNeed = [...needs.keys()].toSorted((a, b) => (needs[a] ?? 0) - (needs[b] ?? 0) || b - a);
  let left = budget;
  byNeed.forEach((each, i) => {
    const part = Math.min(needs[each] ?? 0, Math.floor(left / (length - i)));
    rows[each] = part;
    left -= part;
  });
  return rows;
}
