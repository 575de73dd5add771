/**
 * Files of torch.save in both formats, made by torch: vectors/pth.py. What torch.load finds in them
 * lies beside them.
 */
import { copyFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertCheckpoint, openCheckpoint, readLora } from '@cria/checkpoint';
import { PthFile, SafetensorsFile } from '@cria/checkpoint/formats';
import { describe, expect, it } from 'vitest';
import { plainParse, temporaryFolder } from './helpers.ts';

const root = fileURLToPath(new URL('vectors/pth', import.meta.url));
const state = (name: string) => join(root, 'state', name);
const llama = (name: string) => join(root, 'llama', name);

/** A file with some bytes changed. */
function damaged(name: string, change: (bytes: Buffer) => Buffer | void): string {
  const path = join(temporaryFolder(), 'damaged.pth');
  const bytes = readFileSync(state(name));
  writeFileSync(path, change(bytes) ?? bytes);
  return path;
}

describe.each(['plain', 'protocol4', 'training', 'old', 'zip'])('tensors of %s.pth', (name) => {
  it('are those that torch finds, whatever their strides', async () => {
    const theirs = plainParse(state(`${name}.safetensors`));
    const file = await PthFile.open(state(`${name}.pth`));
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(theirs).sort());
    for (const [key, { dtype, shape, bytes }] of Object.entries(theirs)) {
      const tensor = file.tensors.get(key)!;
      expect([key, tensor.dtype, tensor.shape]).toEqual([key, dtype.toLowerCase(), shape]);
      expect(Buffer.from(await file.read(key, 0, bytes.length)).equals(bytes), key).toBe(true);
    }
  });

  it('are read in pieces of any size', async () => {
    const file = await PthFile.open(state(`${name}.pth`));
    for (const key of file.tensors.keys()) {
      const { rows, rowBytes } = file.tensors.get(key)!;
      const size = rows * rowBytes;
      const whole = Buffer.from(await file.read(key, 0, size));
      for (const step of [1, 3, 4, 7, 20]) {
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < size; at += step)
          pieces.push(await file.read(key, at, Math.min(size, at + step)));
        expect(Buffer.concat(pieces).equals(whole), `${key} by ${step}`).toBe(true);
      }
    }
  });
});

describe('a model of transformers', () => {
  /** The weights of a path beside those of model.safetensors. */
  async function expectSame(path: string): Promise<void> {
    const theirs = await openCheckpoint(llama('model.safetensors'));
    const ours = await openCheckpoint(path);
    expect(ours.config).toEqual(theirs.config);
    for (const name of theirs.tensors.keys()) {
      expect(ours.tensors.get(name)?.halfSplit).toBe(theirs.tensors.get(name)?.halfSplit);
      expect(await ours.read(name), name).toEqual(await theirs.read(name));
    }
  }

  it.each(['legacy', 'shards', 'legacy/pytorch_model.bin'])('loads from %s', async (name) => {
    await expectSame(llama(name));
  });

  it('loads from pytorch_model.bin where there is no safetensors', async () => {
    const folder = temporaryFolder();
    for (const name of ['config.json', 'pytorch_model.bin']) copyFileSync(llama(name), join(folder, name));
    await expectSame(folder);
    await expectSame(join(folder, 'pytorch_model.bin'));
  });

  it('is refused without its configuration', async () => {
    const path = join(temporaryFolder(), 'pytorch_model.bin');
    copyFileSync(llama('pytorch_model.bin'), path);
    await expect(openCheckpoint(path)).rejects.toThrow('without the configuration of its model');
  });

  it('is refused where a shard holds other tensors than its index says', async () => {
    const folder = temporaryFolder();
    cpSync(llama('shards'), folder, { recursive: true });
    const index = join(folder, 'pytorch_model.bin.index.json');
    writeFileSync(index, readFileSync(index, 'utf8').replace('"model.norm.weight"', '"model.norm.bias"'));
    await expect(openCheckpoint(folder)).rejects.toThrow('places "model.norm.bias" in');
  });
});

describe("Meta's files", () => {
  it('load in the older format, alone and as ranks', async () => {
    const source = await openCheckpoint(llama('model.safetensors'));
    const config = { ...source.config, tiedEmbeddings: true };
    const zip = join(temporaryFolder(), 'meta');
    await convertCheckpoint({ ...source, config }, zip, { to: 'meta' });
    const folder = join(temporaryFolder(), 'older');
    mkdirSync(folder);
    copyFileSync(join(zip, 'params.json'), join(folder, 'params.json'));
    const whole = await PthFile.open(join(zip, 'consolidated.00.pth'));
    writeFileSync(join(folder, 'consolidated.00.pth'), await olderForm(whole));
    writeFileSync(join(folder, 'weights.pth'), await olderForm(whole));
    for (const path of [folder, join(folder, 'consolidated.00.pth'), join(folder, 'weights.pth')]) {
      const found = await openCheckpoint(path);
      expect(found.format).toBe('meta');
      for (const name of source.tensors.keys()) {
        if (name === 'output.weight') continue;
        expect(await found.read(name), `${name} of ${path}`).toEqual(await source.read(name));
      }
    }
  });
});

it('a LoRA adapter in adapter_model.bin is the one in adapter_model.safetensors', async () => {
  const source = fileURLToPath(new URL('vectors/lora', import.meta.url));
  const { config } = await openCheckpoint(join(source, 'untied'));
  const theirs = await readLora(join(source, 'patterns'), config);
  const folder = temporaryFolder();
  copyFileSync(join(source, 'patterns/adapter_config.json'), join(folder, 'adapter_config.json'));
  const weights = await SafetensorsFile.open(join(source, 'patterns/adapter_model.safetensors'));
  writeFileSync(join(folder, 'adapter_model.bin'), await olderForm(weights));
  const ours = await readLora(folder, config);
  expect(ours.factors).toEqual(theirs.factors);
  expect([...ours.saved.keys()]).toEqual([...theirs.saved.keys()]);
});

describe('what is refused', () => {
  it.each<[string, string, (bytes: Buffer) => Buffer | void, string]>([
    ['a cut file', 'plain.pth', (b) => b.subarray(0, -3), 'begins at byte'],
    [
      'bytes behind the last storage',
      'plain.pth',
      (b) => Buffer.concat([b, b]),
      'bytes follow the last storage',
    ],
    [
      'another version',
      'plain.pth',
      (b) => void b.writeUInt16LE(1002, b.indexOf(Buffer.from('M\xe9\x03', 'latin1')) + 1),
      'version 1002',
    ],
    [
      'another function',
      'plain.pth',
      (b) => replace(b, '_rebuild_tensor_v2', '_rebuild_qtensor_v2'.slice(0, 18)),
      'torch._utils._rebuild_qtensor_v',
    ],
    [
      'code',
      'plain.pth',
      (b) => replace(b, 'ctorch._utils\n_rebuild_tensor_v2\n', 'cposix\nsystem\n'.padEnd(33, ' ')),
      'which is code, not a tensor',
    ],
    [
      'a storage of another length',
      'old.pth',
      (b) => void b.writeBigInt64LE(41n, b.lastIndexOf(Buffer.from([40, 0, 0, 0, 0, 0, 0, 0]))),
      'has 41 elements, its pickle says 40',
    ],
    [
      'a view outside its storage',
      'old.pth',
      (b) => replace(b, 'U\x0212', 'U\x0212', (at) => void (b[at + 7] = 33)),
      'has a view that is not in it',
    ],
  ])('%s', async (_, name, change, said) => {
    const path = damaged(name, change);
    await expect(PthFile.open(path)).rejects.toThrow(said);
    await expect(PthFile.open(path)).rejects.toThrow(path);
  });

  it('a tar file', async () => {
    const path = join(temporaryFolder(), 'old.pth');
    const bytes = Buffer.alloc(1024);
    bytes.write('sys_info');
    bytes.write('ustar', 257);
    writeFileSync(path, bytes);
    await expect(PthFile.open(path)).rejects.toThrow('PyTorch before 0.1.10');
  });

  it.each([
    ['itself', '\x80\x02}q\0X\x05\0\0\0modelh\0s.'],
    ['many things at once', `\x80\x02](${'N'.repeat(300_000)}e.`],
    ['a name inside of many tuples', `\x80\x02${')'.padEnd(100_000, '\x85')}X\x01\0\0\0a\x93.`],
    ['a number of many digits', '\x80\x02\x8a\xff.'],
  ])('a pickle that holds %s', async (_, pickle) => {
    const head = readFileSync(state('plain.pth'));
    const start = head.indexOf('type_sizes');
    const end = head.indexOf('u.', start) + 2;
    const path = join(temporaryFolder(), 'hostile.pth');
    writeFileSync(path, Buffer.concat([head.subarray(0, end), Buffer.from(`${pickle}\x80\x02].`, 'latin1')]));
    await expect(PthFile.open(path)).rejects.toThrow(path);
    await expect(PthFile.open(path)).rejects.toHaveProperty('name', 'CriaError');
  });
});

function replace(bytes: Buffer, from: string, to: string, change?: (at: number) => void): void {
  const at = bytes.indexOf(Buffer.from(from, 'latin1'));
  expect(at).toBeGreaterThan(0);
  bytes.write(to, at, 'latin1');
  change?.(at);
}

/**
 * The tensors of a file as torch.save wrote them before version 1.6: a plain writer, which shares
 * nothing with the reader.
 */
async function olderForm(file: PthFile | SafetensorsFile): Promise<Buffer> {
  const parts: Buffer[] = [];
  const raw = (text: string) => void parts.push(Buffer.from(text, 'latin1'));
  const text = (value: string) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(value.length);
    raw(`X${length.toString('latin1')}${value}`);
  };
  const whole = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    raw(`J${bytes.toString('latin1')}`);
  };
  const kinds: Readonly<Record<string, string>> = { f32: 'Float', bf16: 'BFloat16', f16: 'Half' };
  const widths: Readonly<Record<string, number>> = { f32: 4, bf16: 2, f16: 2 };
  raw('\x80\x02\x8a\x0alü\x9cFù j¨P\x19.\x80\x02Mé\x03.\x80\x02}.\x80\x02}(');
  const tensors = [...file.tensors.values()];
  tensors.forEach(({ name, dtype, shape }, key) => {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    text(name);
    raw('ctorch._utils\n_rebuild_tensor_v2\n((');
    text('storage');
    raw(`ctorch\n${kinds[dtype]}Storage\n`);
    text(String(key));
    text('cpu');
    whole(elements);
    raw('NtQK\0(');
    shape.forEach(whole);
    raw('t(');
    shape.forEach((_, axis) => whole(shape.slice(axis + 1).reduce((product, extent) => product * extent, 1)));
    raw('t\x89}tR');
  });
  raw('u.\x80\x02](');
  tensors.forEach((_, key) => text(String(key)));
  raw('e.');
  for (const { name, dtype, shape } of tensors) {
    const elements = shape.reduce((product, extent) => product * extent, 1);
    const length = Buffer.alloc(8);
    length.writeBigInt64LE(BigInt(elements));
    parts.push(length, Buffer.from(await file.read(name, 0, elements * (widths[dtype] ?? 0))));
  }
  return Buffer.concat(parts);
}
