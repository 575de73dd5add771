/*
 * Results that must keep their bits, compared with hashes that an earlier version of this code
 * recorded. `CRIA_GOLDEN=record` writes the hashes that are missing, and never changes one: a
 * result that is meant to have other bits loses its line by hand, with the reason in the log.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpu, cpuAvailability, loadWasm, wasm } from '@cria/cpu';
import { type Device, reference } from '@cria/tensor';
import { afterAll, describe, expect, it, type TestContext } from 'vitest';
import type { Checkpoint } from '@cria/checkpoint';
import {
  type CurveCase,
  greedyTexts,
  hashOfFile,
  mixedForms,
  plainForms,
  randomModel,
  store,
  type StoredForm,
  trainingCurve,
} from './golden/cases.ts';

const file = new URL('golden/hashes.json', import.meta.url);
const recorded = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>) : {};
const recording = process.env.CRIA_GOLDEN === 'record';

/** Compares with the hash of that name; a device that nobody has recorded yet is skipped, with the reason. */
async function sameAsBefore(
  name: string,
  context: TestContext,
  result: () => Promise<string>,
): Promise<void> {
  const before = recorded[name];
  if (before === undefined && !recording) context.skip(`no hash was recorded for ${name}`);
  const now = await result();
  if (before === undefined) recorded[name] = now;
  else expect(now, name).toBe(before);
}

const folder = mkdtempSync(join(tmpdir(), 'cria-golden-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let source: Promise<Checkpoint> | undefined;
const stored = new Map<string, Promise<Checkpoint>>();

/**
 * The random model in a GGUF file, made once for all who read it: `the bytes of GGUF files` are
 * those of either quantiser.
 */
function storedModel(form: StoredForm, quantizers: 'native' | 'plain'): Promise<Checkpoint> {
  source ??= randomModel(join(folder, 'source'));
  const path = join(folder, `${form}-${quantizers}.gguf`);
  const made = stored.get(path) ?? source.then((model) => store(model, path, form, quantizers));
  stored.set(path, made);
  return made;
}

afterAll(() => {
  if (!recording) return;
  const sorted = Object.fromEntries(Object.entries(recorded).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(sorted, undefined, 2)}\n`);
});

const { available, isas } = cpuAvailability();
const devices: readonly { readonly name: string; readonly open: () => Device }[] = [
  { name: 'reference', open: () => reference() },
  ...(available ? isas : []).map((isa) => ({ name: isa, open: () => cpu({ isa, threads: 2 }) })),
  ...(loadWasm().native ? [{ name: 'wasm', open: () => wasm({ threads: 2 }) }] : []),
];

const curves: readonly CurveCase[] = (['f32', 'bf16'] as const).flatMap((dtype) => [
  { dtype, tied: false, recompute: 'selective' as const },
  { dtype, tied: true, recompute: 'selective' as const },
  { dtype, tied: false, recompute: 'full' as const },
]);

describe.each(devices)('the bits of $name', ({ name, open }) => {
  it.for(curves)('training in $dtype, tied $tied, recompute $recompute', async (curve, context) => {
    const key = `${name}/training/${curve.dtype}${curve.tied ? '-tied' : ''}-${curve.recompute}`;
    using device = open();
    await sameAsBefore(key, context, () => trainingCurve(device, curve));
  });

  // These take their time: one type of numbers and one mix of blocks.
  const slow = name === 'reference' || name === 'wasm';
  const forms = slow ? (['f32', 'q4_k_m'] as const) : [...plainForms, ...mixedForms];
  it.for(forms)('greedy texts in %s', async (form, context) => {
    using device = open();
    const model = await storedModel(form, available ? 'native' : 'plain');
    await sameAsBefore(`${name}/texts/${form}`, context, () => greedyTexts(device, model));
  });
});

describe('the bytes of GGUF files', () => {
  it.for([...plainForms, ...mixedForms])('in %s', async (form, context) => {
    for (const quantizers of available ? (['native', 'plain'] as const) : (['plain'] as const)) {
      await storedModel(form, quantizers);
      const path = join(folder, `${form}-${quantizers}.gguf`);
      await sameAsBefore(`file/${form}`, context, () => Promise.resolve(hashOfFile(path)));
    }
  });
});
