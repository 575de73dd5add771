import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { llamaConfig } from '@cria/layers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listTrainingStates, loadTrainingState, openCheckpoint, saveTrainingState } from '@cria/checkpoint';
import type { Json } from '@cria/checkpoint/formats';
import { bitsOf, fillWithBits, plainParse, spaceOf, temporaryFolder, tiny } from './helpers.ts';

const full = { gradients: true, states: ['exp_avg', 'exp_avg_sq'] };

async function saveSome(root: string, steps: readonly number[], keepLast = 9): Promise<void> {
  const parameters = spaceOf(tiny, full);
  for (const step of steps) {
    fillWithBits(parameters, step);
    await saveTrainingState(root, { step, parameters, config: tiny, counters: { step } }, { keepLast });
  }
}

async function expectStep(root: string, step: number, options = {}): Promise<void> {
  const state = await loadTrainingState(root, options);
  expect([state.step, state.counters]).toEqual([step, { step }]);
  const [copy, wanted] = [spaceOf(tiny, full), spaceOf(tiny, full)];
  await state.load(copy);
  fillWithBits(wanted, step);
  expect(await bitsOf(copy)).toEqual(await bitsOf(wanted));
}

describe('the training state', () => {
  it('comes back bit for bit: weights, moments, counters, files', async () => {
    const root = temporaryFolder();
    const parameters = spaceOf(tiny, full);
    fillWithBits(parameters, 77);
    const counters: Json = {
      samples: 2 ** 52 + 1,
      lossEma: 0.1 + 0.2,
      tiny: 5e-324,
      schedule: ['cosine', null, true],
      text: 'ü\u2028"',
    };
    const tokenizer = new TextEncoder().encode('\0\u00ffmodel');
    const saved = await saveTrainingState(root, {
      step: 123,
      parameters,
      config: tiny,
      counters,
      fingerprints: { data: 'abc' },
      extraFiles: { 'tokenizer.model': tokenizer, empty: new Uint8Array(0) },
      specialIds: { bos: 1, eos: [2] },
    });
    expect(saved.folder).toBe(join(root, 'step-00000123'));
    expect(saved.notRemoved).toEqual([]);
    for (const path of [root, saved.folder]) {
      const state = await loadTrainingState(path);
      expect(state).toMatchObject({
        step: 123,
        counters,
        fingerprints: { data: 'abc' },
        config: tiny,
        states: ['exp_avg', 'exp_avg_sq'],
        bytes: saved.bytes,
      });
      expect(state.extraFiles).toEqual(['tokenizer.model', 'empty']);
      expect(await state.readExtraFile('tokenizer.model')).toEqual(tokenizer);
      await expect(state.readExtraFile('../x')).rejects.toThrow('no extra file "../x"');
      const copy = spaceOf(tiny, full);
      await state.load(copy);
      expect(await bitsOf(copy)).toEqual(await bitsOf(parameters));
    }
    const opened = await openCheckpoint(root);
    expect([opened.format, opened.specialIds]).toEqual([
      'training-state',
      { bos: 1, eos: [2], pad: undefined },
    ]);
    const first = plainParse(join(saved.folder, 'optimizer.safetensors'))[
      'exp_avg.layers.1.attention.wq.weight'
    ];
    const view = parameters.view(
      parameters.states.get('exp_avg'),
      parameters.get('layers.1.attention.wq.weight')!,
    );
    expect(first!.bytes).toEqual(Buffer.from(((await view.read()) as Float32Array).buffer));
  });

  it('keeps f64 weights and f32 masters of bf16 as they are, and weights without moments', async () => {
    for (const dtype of ['bf16', 'f64'] as const) {
      const root = temporaryFolder();
      const parameters = spaceOf(tiny, { dtype, states: ['exp_avg', 'exp_avg_sq'] });
      fillWithBits(parameters, 3);
      await saveTrainingState(root, { step: 1, parameters, config: tiny, counters: null });
      const copy = spaceOf(tiny, { dtype, states: ['exp_avg', 'exp_avg_sq'] });
      await (await loadTrainingState(root)).load(copy);
      expect(await bitsOf(copy)).toEqual(await bitsOf(parameters));
    }
    const half = spaceOf(tiny, { dtype: 'bf16' });
    fillWithBits(half, 5);
    const root = temporaryFolder();
    await saveTrainingState(root, { step: 0, parameters: half, config: tiny, counters: null });
    const again = spaceOf(tiny, { dtype: 'bf16' });
    await (await loadTrainingState(root)).load(again);
    expect(await bitsOf(again)).toEqual(await bitsOf(half));
    await saveTrainingState(root, { step: 1, parameters: spaceOf(tiny), config: tiny, counters: null });
    const state = await loadTrainingState(root);
    expect(state.states).toEqual([]);
    await state.load(spaceOf(tiny));
    await expect(state.load(spaceOf(tiny, full))).rejects.toThrow(
      'was saved without exp_avg, which the optimizer needs; it has no state.',
    );
  });

  it('of an earlier version, which did not name its states, is loaded', async () => {
    const root = temporaryFolder();
    await saveSome(root, [5]);
    const folder = join(root, 'step-00000005');
    const hash = (text: string) => createHash('sha256').update(text).digest('hex');
    // As it was written: no `states` in state.json.
    const { states, ...state } = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
    expect(states).toEqual(['exp_avg', 'exp_avg_sq']);
    const text = JSON.stringify(state);
    writeFileSync(join(folder, 'state.json'), text);
    const { sha256: _, ...manifest } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    manifest.files['state.json'] = { bytes: Buffer.byteLength(text), sha256: hash(text) };
    const sha256 = hash(JSON.stringify(manifest));
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, sha256 }));
    await expectStep(root, 5);
  });

  it('keeps the states of any optimizer by their names', async () => {
    const root = temporaryFolder();
    const parameters = spaceOf(tiny, { states: ['momentum'] });
    fillWithBits(parameters, 8);
    await saveTrainingState(root, { step: 1, parameters, config: tiny, counters: null });
    const state = await loadTrainingState(root);
    expect(state.states).toEqual(['momentum']);
    const copy = spaceOf(tiny, { states: ['momentum'] });
    await state.load(copy);
    expect(await bitsOf(copy)).toEqual(await bitsOf(parameters));
    await expect(state.load(spaceOf(tiny, full))).rejects.toThrow(
      'was saved without exp_avg, which the optimizer needs; it has momentum.',
    );
  });

  it('keeps the last k, and removes older ones only after the new one is whole', async () => {
    const root = temporaryFolder();
    await saveSome(root, [1, 2, 3], 2);
    expect((await listTrainingStates(root)).map(({ step }) => step)).toEqual([2, 3]);
    const parameters = spaceOf(tiny, full);
    Object.defineProperty(parameters.states.get('exp_avg_sq'), 'view', {
      value: (_: number, shape: number[]) => parameters.values.reshape(1).reshape(...shape),
    });
    await expect(
      saveTrainingState(root, { step: 4, parameters, config: tiny, counters: null }, { keepLast: 1 }),
    ).rejects.toThrow('reshape');
    expect(readdirSync(root).sort()).toEqual(['step-00000002', 'step-00000003']);
    await expectStep(root, 3);
    await saveSome(root, [4], 1);
    expect(readdirSync(root)).toEqual(['step-00000004']);
  });

  it('saves the same step again, and an earlier one, as the newest', async () => {
    const root = temporaryFolder();
    await saveSome(root, [5, 9]);
    await saveSome(root, [9]);
    expect(readdirSync(root).sort()).toEqual(['step-00000005', 'step-00000009', 'step-00000009.r2']);
    await saveSome(root, [7], 2);
    expect(readdirSync(root).sort()).toEqual(['step-00000007', 'step-00000009.r2']);
    await expectStep(root, 7);
  });

  it('ignores unfinished saves and removes stale ones', async () => {
    const root = temporaryFolder();
    await saveSome(root, [1]);
    const { pid: gone } = spawnSync(process.execPath, ['-e', '']);
    const stale = join(root, `step-00000002.tmp-${gone}-0badcafe`);
    cpSync(join(root, 'step-00000001'), stale, { recursive: true });
    const running = join(root, `step-00000002.tmp-${process.ppid}-0badcafe`);
    mkdirSync(running);
    writeFileSync(join(root, 'notes.txt'), 'mine');
    await expectStep(root, 1);
    await saveSome(root, [3], 1);
    expect(readdirSync(root).sort()).toEqual([
      'notes.txt',
      'step-00000002.tmp-' + process.ppid + '-0badcafe',
      'step-00000003',
    ]);
    utimesSync(running, 1, 1);
    await saveSome(root, [4], 1);
    expect(existsSync(running)).toBe(false);
  });

  it('refuses damage of any byte of any file, and falls back only when told', async () => {
    const root = temporaryFolder();
    await saveSome(root, [1, 2]);
    const newest = join(root, 'step-00000002');
    const files = readdirSync(newest);
    expect(files.sort()).toEqual([
      'config.json',
      'manifest.json',
      'model.safetensors',
      'optimizer.safetensors',
      'state.json',
    ]);
    const damage = fc.record({
      file: fc.constantFrom(...files),
      at: fc.double({ min: 0, max: 0.999999, noNaN: true }),
      bit: fc.nat(7),
      kind: fc.constantFrom('flip', 'flip', 'cut', 'grow', 'remove'),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ file, at, bit, kind }) => {
        const path = join(newest, file);
        const bytes = readFileSync(path);
        const place = Math.floor(at * bytes.length);
        const changed = Buffer.from(bytes);
        changed[place] = bytes[place]! ^ (1 << bit);
        if (kind === 'remove') rmSync(path);
        else
          writeFileSync(
            path,
            kind === 'flip'
              ? changed
              : kind === 'cut'
                ? bytes.subarray(0, place)
                : Buffer.concat([bytes, Buffer.of(bit)]),
          );
        try {
          const strict: Error = await loadTrainingState(root).then(
            () => new Error('loaded'),
            (error: Error) => error,
          );
          // Whitespace of the manifest is not part of what its hash covers.
          if (strict.message === 'loaded') {
            expect(file).toBe('manifest.json');
            expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(JSON.parse(bytes.toString()));
            return;
          }
          expect(strict.message).toMatch(
            /^\[loadTrainingState\] the newest training state, .*-00000002, is damaged: .*hint: go on from .*-00000001/s,
          );
          const older = await loadTrainingState(root, { fallback: true });
          expect([older.step, older.damaged.map(({ folder }) => folder)]).toEqual([1, [newest]]);
        } finally {
          writeFileSync(path, bytes);
        }
      }),
      { numRuns: Number(process.env['CRIA_FUZZ'] ?? 150) },
    );
    await expectStep(root, 2);
  });

  it('goes on after a fallback: the damaged state is out of the way, not lost', async () => {
    const root = temporaryFolder();
    await saveSome(root, [1, 2]);
    rmSync(join(root, 'step-00000002/manifest.json'));
    await expect(loadTrainingState(root)).rejects.toThrow('manifest.json (ENOENT)');
    await expectStep(root, 1, { fallback: true });
    await saveSome(root, [2]);
    await expectStep(root, 2);
    expect(readdirSync(root).filter((name) => name.startsWith('damaged-step-00000002'))).toHaveLength(1);
  });

  it('says what is wrong with a folder, a state or an option', async () => {
    const root = temporaryFolder();
    const parameters = spaceOf(tiny, full);
    const state = { step: 1, parameters, config: tiny, counters: null };
    await expect(loadTrainingState(root)).rejects.toThrow('holds no training state');
    await expect(loadTrainingState(join(root, 'absent'))).rejects.toThrow('holds no training state');
    expect(await listTrainingStates(join(root, 'absent'))).toEqual([]);
    await saveSome(root, [1]);
    rmSync(join(root, 'step-00000001/model.safetensors'));
    await expect(loadTrainingState(root)).rejects.toThrow('there is no other state');
    await expect(loadTrainingState(root, { fallback: true })).rejects.toThrow('every training state');
    await expect(loadTrainingState(root, { fallbak: true } as object)).rejects.toThrow(
      'did you mean "fallback"',
    );
    await expect(saveTrainingState(root, state, { keepLast: 0 })).rejects.toThrow('keepLast is 0');
    await expect(saveTrainingState(root, { ...state, step: 1.5 })).rejects.toThrow('step is 1.5');
    await expect(saveTrainingState(root, { ...state, counters: { a: [NaN] } })).rejects.toThrow(
      'counters.a[0] is NaN',
    );
    await expect(saveTrainingState(root, { ...state, counters: { a: undefined } as never })).rejects.toThrow(
      'counters.a is undefined',
    );
    await expect(
      saveTrainingState(root, { ...state, extraFiles: { '../a': new Uint8Array(1) } }),
    ).rejects.toThrow('cannot be called "../a"');
    await expect(
      saveTrainingState(root, { ...state, extraFiles: { 'state.json': new Uint8Array(1) } }),
    ).rejects.toThrow('cannot be called "state.json"');
    writeFileSync(join(root, 'file'), '');
    await expect(saveTrainingState(join(root, 'file/run'), state)).rejects.toThrow(
      'a part of the path is a file',
    );
    const other = llamaConfig({ ...tiny, ffnDim: 24 });
    await saveSome(root, [2]);
    await expect((await loadTrainingState(root)).load(spaceOf(other, full))).rejects.toThrow(
      'has shape [20, 12], the model [24, 12]',
    );
  });

  it('reads states of version 1, whose checksum is crc32', async () => {
    const root = temporaryFolder();
    await saveSome(root, [3]);
    const folder = join(root, 'step-00000003');
    const {
      sha256: _,
      checksum: __,
      ...body
    } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    body.version = 1;
    for (const name of Object.keys(body.files)) {
      const bytes = readFileSync(join(folder, name));
      const sums = name.endsWith('.safetensors') && Object.entries(plainParse(join(folder, name)));
      body.files[name] = {
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
        ...(sums && {
          tensors: Object.fromEntries(
            sums.map(([tensor, { bytes: data }]) => [tensor, crc32(data).toString(16).padStart(8, '0')]),
          ),
        }),
      };
    }
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...body, sha256 }));
    await expectStep(root, 3);
    const path = join(folder, 'optimizer.safetensors');
    const bytes = readFileSync(path);
    bytes[bytes.length - 1]! ^= 4;
    writeFileSync(path, bytes);
    await expect(loadTrainingState(root)).rejects.toThrow(/has sha256 .* the damage is in "exp_avg/);
  });

  it('sums tensors by xxh3, and knows no other program’s sums', async () => {
    const root = temporaryFolder();
    const { folder } = await saveTrainingState(root, {
      step: 1,
      parameters: spaceOf(tiny),
      config: tiny,
      counters: null,
      extraFiles: { empty: new Uint8Array(0) },
    });
    const path = join(folder, 'manifest.json');
    const { sha256: _, ...body } = JSON.parse(readFileSync(path, 'utf8'));
    expect(body).toMatchObject({ version: 2, checksum: 'xxh3' });
    const sums = body.files['model.safetensors'].tensors;
    // 48 zero bytes; XXH3_64bits of the reference implementation (xxhsum -H3).
    expect(sums['model.norm.weight']).toBe('e255222d4cbbadba');
    body.checksum = 'blake3';
    const hash = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    writeFileSync(path, JSON.stringify({ ...body, sha256: hash }));
    await expect(loadTrainingState(root)).rejects.toThrow(
      'checksums by "blake3", this program knows xxh3 and crc32',
    );
  });

  it('writes equal bytes for equal states', async () => {
    const [a, b] = [temporaryFolder(), temporaryFolder()];
    await saveSome(a, [6]);
    await saveSome(b, [6]);
    for (const name of readdirSync(join(a, 'step-00000006'))) {
      expect(readFileSync(join(a, 'step-00000006', name)), name).toEqual(
        readFileSync(join(b, 'step-00000006', name)),
      );
    }
    expect(statSync(join(a, 'step-00000006/model.safetensors')).size).toBeGreaterThan(0);
    renameSync(join(a, 'step-00000006'), join(a, 'elsewhere'));
    await expectStep(join(a, 'elsewhere'), 6);
  });
});
