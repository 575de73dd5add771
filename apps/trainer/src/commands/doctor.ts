import { availableParallelism, cpus, totalmem } from 'node:os';
import { type DeviceReport, inspectDevices, openDevice, type OpenedDevice } from '@cria/devices';
import type { Command } from '../command.ts';
import { bytes } from '../show/format.ts';

/** One line of the report. */
type Row = readonly [label: string, value: string];

/**
 * What this machine gives: devices, instruction sets, threads, and the reason where something
 * faster is missing.
 */
export const doctor: Command = {
  summary: 'show the device, its instruction set, threads, and why',
  usage: 'cria doctor',
  flags: {},
  async run(_, context) {
    const reports = await inspectDevices();
    const opened = await openDevice();
    using device = opened.device; // opened, since only that shows what a run would get
    const threads = availableParallelism();
    const rows: Row[] = [
      ['node', `${process.version} on ${process.platform}-${process.arch}`],
      ['processor', `${cpus()[0]?.model ?? 'unknown'}, ${threads} threads`],
      ['memory', bytes(totalmem())],
      ['device', titleOf(opened, reports)],
      ...reports.flatMap(({ facts }) => facts),
      ...(await peaks(opened, threads)),
      [
        'training in',
        device.preferredDType === 'bf16'
          ? 'bf16 with f32 masters, its products being the faster ones'
          : `${device.preferredDType}: products of bf16 are no faster here`,
      ],
      ...reports.map(({ name, available, reason }): Row => {
        const state = available ? (name === opened.name ? 'in use' : 'there') : 'missing';
        return [`--device ${name}`, `${state}: ${reason}`];
      }),
      ['reason', opened.reason],
    ];
    for (const [name, value] of rows) context.out.write(`${name.padEnd(18)} ${value}\n`);
  },
};

/** A device with what it is, as its own package says it. */
function titleOf({ name }: OpenedDevice, reports: readonly DeviceReport[]): string {
  const summary = reports.find((report) => report.name === name)?.summary;
  return summary === undefined ? name : `${name} (${summary})`;
}

/** Where the device can measure it: the ceiling of its products, on one thread and on all. */
async function peaks({ name, device }: OpenedDevice, threads: number): Promise<Row[]> {
  const { measurePeak } = device.abilities;
  if (!measurePeak) return [];
  using single = (await openDevice(name, { threads: 1 })).device;
  return (['f32', 'bf16'] as const)
    .filter((dtype) => device.computeDTypes.has(dtype))
    .map((dtype) => {
      const [one, all] = [single.abilities.measurePeak?.(dtype) ?? 0, measurePeak(dtype)];
      return [
        `${dtype} peak`,
        `${one.toFixed(0)} GFLOP/s on 1 thread, ${all.toFixed(0)} on ${threads}`,
      ] as const;
    });
}
