import { fail } from './errors.ts';
import type { SampleRow } from './kernels.ts';

const share = (value: number) => value >= 0 && value <= 1;

/** What each number of a row may be; devices follow them without a look. */
const holds: Readonly<Record<Exclude<keyof SampleRow, Placed>, (value: number) => boolean>> = {
  temperature: (value) => value >= 0 && value < Infinity,
  topK: (value) => Number.isInteger(value) && value >= 0,
  topP: share,
  minP: share,
  repetitionPenalty: (value) => value > 0 && value < Infinity,
  presencePenalty: Number.isFinite,
  frequencyPenalty: Number.isFinite,
  u: (value) => value >= 0 && value < 1,
};
const names = Object.keys(holds) as (keyof typeof holds)[]; // the keys of a constant object

/** Those that say where something lies, and the one that is no number. */
type Placed = 'firstSeen' | 'endSeen' | 'mask' | 'temperatureLast';

/**
 * A row for each row of logits, whose parts of `seen` and of `masks` exist. @throws CriaError that
 * names the row and its number
 */
export function checkSampleRows(
  rows: readonly SampleRow[],
  count: number,
  seen: number,
  masks: number,
): void {
  if (rows.length !== count)
    fail('sample', `there are ${rows.length} rows of settings for ${count} of logits.`);
  rows.forEach((row, r) => {
    for (const name of names)
      if (!holds[name](row[name])) fail('sample', `${name} of row ${r} is ${row[name]}.`);
    const { firstSeen, endSeen, mask } = row;
    const places = [firstSeen, endSeen, mask].every(Number.isInteger);
    if (!places || firstSeen < 0 || firstSeen > endSeen || endSeen > seen)
      fail('sample', `row ${r} has seen ids ${firstSeen} to ${endSeen} of ${seen}.`);
    if (mask < -1 || mask >= masks) fail('sample', `row ${r} has mask ${mask} of ${masks}.`);
  });
}
