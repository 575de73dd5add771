/* What every benchmark prints, and the middle of its runs. */

/** One figure beside what it is measured against: another program, or a limit of the machine, taken in the same run. */
export interface Row {
  readonly name: string;
  readonly threads: number;
  readonly value: number;
  readonly unit: string;
  /** Absent where there was none to run. */
  readonly peer?: string | undefined;
  readonly peerValue?: number | undefined;
  /** How many times as good as the peer; above 1 is better, whatever the unit. */
  readonly ratio?: number | undefined;
  readonly target?: number | undefined;
}

/** A line for people, or with `json` one object. */
export function report(row: Row, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(row));
    return;
  }
  const { name, threads, value, unit, peer, peerValue, ratio, target } = row;
  const aim = target === undefined ? '' : `; target ${target}`;
  const beside =
    peerValue === undefined || ratio === undefined
      ? ''
      : `  ${ratio.toFixed(2)} beside ${figure(peerValue)} (${peer}${aim})`;
  console.log(
    `${name.padEnd(48)} ${threads}T ${figure(value).padStart(8)} ${unit.padEnd(8)}${beside}`.trimEnd(),
  );
}

/** Three significant digits at least. */
function figure(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toFixed(Math.min(6, digits));
}

/** NaN of none. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}
