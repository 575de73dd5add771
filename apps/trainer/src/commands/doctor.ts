import { availableParallelism, cpus, totalmem } from 'node:os';
import { cpuAvailability, measurePeak, openDevice } from '@cria/cpu';
import type { Command } from '../command.ts';
import { bytes } from '../show/format.ts';

/** What this machine gives: device, instruction set, threads, and the reason where something faster is missing. */
export const doctor: Command = {
  summary: 'show the device, its instruction set, threads, and why',
  usage: 'cria doctor',
  flags: {},
  async run(_, context) {
    const cpu = cpuAvailability();
    const opened = openDevice();
    using device = opened.device;
    const threads = availableParallelism();
    const fast = device.name === 'cpu';
    const rows: [string, string][] = [
      ['node', `${process.version} on ${process.platform}-${process.arch}`],
      ['processor', `${cpus()[0]?.model ?? 'unknown'}, ${threads} threads`],
      ['memory', bytes(totalmem())],
      ['device', fast ? `cpu (${cpu.available ? 'native' : 'wasm'})` : 'reference (plain TypeScript)'],
    ];
    if (cpu.available) {
      rows.push([
        'instruction set',
        `${cpu.isa}; this machine also runs ${cpu.isas.filter((isa) => isa !== cpu.isa).join(', ') || 'no other'}`,
      ]);
      if (cpu.isa === 'amx')
        rows.push([
          'fast prefill',
          'off; cpu({ fastPrefill: true }) is faster at quantised prompts, with other bits',
        ]);
      for (const { name, reason } of cpu.missing) rows.push([`without ${name}`, reason]);
      rows.push(['native file', cpu.path ?? '']);
    }
    if (fast) {
      for (const dtype of ['f32', 'bf16'] as const) {
        const peak = (threads: number) => measurePeak(threads, 'auto', dtype).toFixed(0);
        rows.push([`${dtype} peak`, `${peak(1)} GFLOP/s on 1 thread, ${peak(threads)} on ${threads}`]);
      }
    }
    rows.push([
      'training in',
      device.preferredDType === 'bf16'
        ? 'bf16 with f32 masters, its products being the faster ones'
        : `${device.preferredDType}: products of bf16 are no faster here`,
    ]);
    rows.push(['reason', opened.reason]);
    for (const [name, value] of rows) context.out.write(`${name.padEnd(16)} ${value}\n`);
  },
};
