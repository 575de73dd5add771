import type { SampleRow, Step, Tensor } from '@cria/tensor';
import type { IdBits } from './allowed-ids.ts';
import type { Counts } from './counts.ts';
import type { DeviceSettings } from './plan.ts';

/** What a device's kernel needs for one row of logits. */
export interface DeviceRow {
  readonly settings: DeviceSettings;
  readonly counts: Counts | undefined;
  readonly mask: IdBits | undefined;
  readonly u: number;
}

/** For rows that the host chooses from: the least work there is. */
const UNASKED: DeviceSettings = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  temperatureLast: false,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
};

/**
 * Encodes the choice of an id for every row; of what it gives only the rows that were asked for say
 * anything, and `checkChosen` what.
 *                                                                  result: i32 [R]   logits: [R, V]   rows: R
 */
export function encodeSample(
  step: Step,
  logits: Tensor,
  rows: readonly (DeviceRow | undefined)[],
  vocabulary: number,
): Tensor {
  const counts = new Map<Counts, number>();
  let seen = 0;
  for (const row of rows) {
    if (!row?.counts || counts.has(row.counts)) continue;
    counts.set(row.counts, seen);
    seen += row.counts.seen.length;
  }
  const masks = [...new Set(rows.flatMap((row) => row?.mask ?? []))];
  const asked = rows.map((row): SampleRow => {
    const firstSeen = row?.counts ? (counts.get(row.counts) ?? 0) : 0;
    return {
      ...(row?.settings ?? UNASKED),
      firstSeen,
      endSeen: firstSeen + (row?.counts?.seen.length ?? 0),
      mask: row?.mask ? masks.indexOf(row.mask) : -1,
      u: row?.u ?? 0,
    };
  });
  const ids = step.empty([rows.length], 'i32');
  step.device.kernels.sample(ids, logits, asked, {
    vocabulary,
    ...(seen > 0 && {
      seen: step.integers(
        joined(
          [...counts.keys()].map((each) => each.seen),
          seen,
        ),
      ),
      times: step.integers(
        joined(
          [...counts.keys()].map((each) => each.times),
          seen,
        ),
      ),
    }),
    ...(masks.length > 0 && { masks: maskTensor(step, masks, vocabulary) }),
  });
  return ids;
}

function maskTensor(step: Step, masks: readonly IdBits[], vocabulary: number): Tensor {
  const words = Math.ceil(vocabulary / 32);
  const bits = masks.map((each) => new Int32Array(each.buffer, each.byteOffset, words));
  return step.integers(joined(bits, words * masks.length)).reshape(masks.length, words);
}

function joined(parts: readonly Int32Array[], size: number): Int32Array {
  const whole = new Int32Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
