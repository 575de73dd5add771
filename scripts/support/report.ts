/* What every benchmark prints, and the middle of its runs. */

/** One figure beside what it is measured against: another program, or a limit of the machine, taken in the same run. */
export interface Row {
  readonly name: string;
  readonly threads: number;
  readonly value: number;
  readonly unit: string;
  /** Absent, as its value, where there was none to run. */
  readonly peer?: string | undefined;
  readonly peerValue?: number | undefined;
  /**
   * How many times as good as the peer: above 1 is better. Default value / peerValue, for units of
   * which more is better.
   */
  readonly ratio?: number | undefined;
  readonly target?: number | undefined;
}

/** Prints a line for people, with `note` at its end, or with `json` one object. */
export function report(row: Row, json: boolean, note = ''): void {
  const { name, threads, value, unit, peer, peerValue, target } = row;
  const ratio = row.ratio ?? (peerValue && value / peerValue);
  if (json) {
    console.log(JSON.stringify({ ...row, ratio }));
    return;
  }
  const aim = target === undefined ? '' : `, target ${target}`;
  const beside = ratio === undefined ? '' : `${ratio.toFixed(2)} of ${figure(peerValue!)} (${peer}${aim})`;
  console.log(
    `${name.padEnd(48)} ${threads}T ${figure(value).padStart(8)} ${unit.padEnd(9)} ${beside} ${note}`.trimEnd(),
  );
}

/** As many digits as there are worth reading. */
function figure(value: number): string {
  const digits = 2 - Math.floor(Math.log10(Math.abs(value) || 1));
  return value.toFixed(Math.min(6, Math.max(0, digits)));
}

/** NaN of none. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}
