import { readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { llamaConfig } from '@cria/layers';
import { describe, expect, it } from 'vitest';
import {
  type Checkpoint,
  convertCheckpoint,
  openCheckpoint,
  readLora,
  saveHuggingFace,
} from '@cria/checkpoint';
import { GgufFile, PthFile } from '@cria/checkpoint/formats';
import { fixtures, have, spaceOf, temporaryFolder } from './helpers.ts';

/*
 * Damaged files: bytes, 32- and 64-bit fields, cuts, insertions and swaps, most of them in headers.
 * Whatever happens, it must be an error of ours that names the file, or tensors that lie inside the
 * file. CRIA_MUTATIONS sets the number (100000 for the long form), CRIA_MUTATIONS_FROM the first
 * seed.
 */

const total = Number(process.env['CRIA_MUTATIONS'] ?? 300);
const first = Number(process.env['CRIA_MUTATIONS_FROM'] ?? 0);
const MOST_MEMORY = 64 << 20;

const config = llamaConfig({
  dim: 32,
  nLayers: 1,
  nHeads: 4,
  nKvHeads: 2,
  ffnDim: 32,
  vocabSize: 8,
  contextLength: 16,
});

async function model(): Promise<Checkpoint> {
  const folder = temporaryFolder();
  const space = spaceOf(config);
  space.initialize(1);
  await saveHuggingFace(folder, config, space, { specialIds: { bos: 1, eos: [2] } });
  return openCheckpoint(folder);
}

const extremes = [
  0n,
  1n,
  2n,
  7n,
  31n,
  255n,
  65535n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  1n << 53n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];

/** One damaged copy; which one follows from the seed alone. */
function mutate(original: Buffer, seed: number, interesting: number): Buffer {
  interesting = Math.min(interesting, original.length);
  let state = (Math.imul(seed + first + 1, 0x9e3779b1) ^ 0x5bd1e995) >>> 0 || 1;
  const draw = (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return Math.floor((state / 2 ** 32) * Math.max(1, below));
  };
  const at = draw(4) > 0 ? draw(interesting) : draw(original.length);
  const copy = Buffer.from(original);
  switch (draw(8)) {
    case 0:
      copy[at] = draw(256);
      return copy;
    case 1:
      copy[at] = (copy[at] ?? 0) ^ (1 << draw(8));
      return copy;
    case 2:
      if (at + 4 <= copy.length)
        copy.writeUInt32LE(Number((extremes[draw(extremes.length)] ?? 0n) & 0xffffffffn), at);
      return copy;
    case 3:
      if (at + 8 <= copy.length) copy.writeBigUInt64LE(extremes[draw(extremes.length)] ?? 0n, at);
      return copy;
    case 4:
      return copy.subarray(0, at);
    case 5:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at, at + 1 + draw(40)), copy.subarray(at)]);
    case 6:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + draw(40)))]);
    default: {
      const other = draw(interesting);
      const piece = Buffer.from(copy.subarray(at, at + 8));
      copy.copy(copy, at, other, Math.min(other + 8, copy.length));
      piece.copy(copy, other);
      return copy;
    }
  }
}

/** Opens it and reads all of it; 'opened', or the message of a good refusal. Anything else fails the test. */
async function attempt(path: string, open: () => Promise<unknown>, seed: number): Promise<string> {
  const before = process.memoryUsage().arrayBuffers;
  try {
    await open();
    return 'opened';
  } catch (error) {
    const { name, message } = error as Error;
    expect(name, `seed ${seed}: ${(error as Error).stack}`).toBe('CriaError');
    expect(message, `seed ${seed}`).toContain(path);
    expect(process.memoryUsage().arrayBuffers - before, `seed ${seed}`).toBeLessThan(MOST_MEMORY);
    return message;
  }
}

async function readAll(checkpoint: Checkpoint): Promise<void> {
  for (const { name, bytes, readBytes } of checkpoint.tensors.values()) {
    expect((await readBytes(0, bytes)).length, name).toBe(bytes);
  }
}

async function readPth(path: string): Promise<void> {
  const file = await PthFile.open(path);
  for (const { name, rows, rowBytes } of file.tensors.values())
    expect((await file.read(name, 0, rows * rowBytes)).length, name).toBe(rows * rowBytes);
}

describe(`damaged files, ${total} of each kind from seed ${first}`, () => {
  it.each(['plain', 'quantised'])(
    'GGUF, %s',
    async (kind) => {
      const folder = temporaryFolder();
      const path = join(folder, 'model.gguf');
      const tokens = Array.from({ length: 8 }, (_, i) => `<0x0${i}>`);
      const vocabulary = {
        files: new Map(),
        gguf: new Map([
          ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: tokens } as const],
          ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: tokens.map(() => 6) } as const],
          ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true } as const],
          ['general.alignment', { type: 'u32', value: 32 } as const],
        ]),
      };
      const options = kind === 'plain' ? {} : { quantize: 'q4_0' };
      await convertCheckpoint(await model(), path, { to: 'gguf', vocabulary, ...options });
      const original = readFileSync(path);
      const header = (await GgufFile.open(path)).header.dataStart;
      let refused = 0;
      for (let seed = 0; seed < total; seed++) {
        writeFileSync(path, mutate(original, seed, header));
        const result = await attempt(path, async () => readAll(await openCheckpoint(path)), seed);
        if (result !== 'opened') refused++;
      }
      expect(refused).toBeGreaterThan(total / 4);
    },
    900_000,
  );

  it('Meta: zip, pickle, params', async () => {
    const folder = join(temporaryFolder(), 'meta');
    await convertCheckpoint(await model(), folder, { to: 'meta' });
    const path = join(folder, 'consolidated.00.pth');
    const original = readFileSync(path);
    const pickle = original.indexOf('ctorch._utils') - 40;
    // The pickle and the directory at the end, side by side, so that damage falls there.
    let refused = 0;
    for (let seed = 0; seed < total; seed++) {
      const tail = seed % 2 === 0;
      const shifted = tail
        ? Buffer.concat([original.subarray(-1500), original.subarray(0, -1500)])
        : original;
      const damaged = mutate(shifted, seed, tail ? 1500 : pickle + 2200);
      writeFileSync(
        path,
        tail ? Buffer.concat([damaged.subarray(1500), damaged.subarray(0, 1500)]) : damaged,
      );
      const result = await attempt(folder, async () => readAll(await openCheckpoint(folder)), seed);
      if (result !== 'opened') refused++;
    }
    expect(refused).toBeGreaterThan(total / 4);
    writeFileSync(path, original);
    const params = readFileSync(join(folder, 'params.json'));
    for (let seed = 0; seed < total / 4; seed++) {
      writeFileSync(join(folder, 'params.json'), mutate(params, seed, params.length));
      await attempt(folder, async () => readAll(await openCheckpoint(folder)), seed);
    }
  }, 900_000);

  it.each(['plain', 'old', 'training'])(
    'older files of torch.save: %s',
    async (name) => {
      const original = readFileSync(new URL(`vectors/pth/state/${name}.pth`, import.meta.url));
      const path = join(temporaryFolder(), 'model.pth');
      const [start, end] = [original.indexOf('type_sizes'), original.lastIndexOf('.X') + 200];
      let refused = 0;
      for (let seed = 0; seed < total; seed++) {
        // every other time in the pickle of the tensors, in front
        const from = seed % 2 === 0 ? start : 0;
        const damaged = mutate(original.subarray(from), seed, end - from);
        writeFileSync(path, Buffer.concat([original.subarray(0, from), damaged]));
        const result = await attempt(path, () => readPth(path), seed);
        if (result !== 'opened') refused++;
      }
      expect(refused).toBeGreaterThan(total / 4);
    },
    900_000,
  );

  it('llama2.c', async () => {
    const path = join(temporaryFolder(), 'model.bin');
    await convertCheckpoint(await model(), path, { to: 'llama2c' });
    const original = readFileSync(path);
    for (let seed = 0; seed < total; seed++) {
      writeFileSync(path, mutate(original, seed, 28));
      await attempt(path, async () => readAll(await openCheckpoint(path)), seed);
    }
  }, 900_000);

  it.skipIf(!have(join(fixtures, 'lora')))(
    'LoRA adapters',
    async () => {
      const folder = join(temporaryFolder(), 'adapter');
      await mkdir(folder);
      await cp(join(fixtures, 'lora'), folder, { recursive: true });
      const { config: base } = await openCheckpoint(join(fixtures, 'llama/mha'));
      for (const name of ['adapter_config.json', 'adapter_model.safetensors']) {
        const original = readFileSync(join(fixtures, 'lora', name));
        for (let seed = 0; seed < total / 4; seed++) {
          writeFileSync(join(folder, name), mutate(original, seed, 1000));
          await attempt(folder, () => readLora(folder, base), seed);
        }
        writeFileSync(join(folder, name), original);
      }
    },
    900_000,
  );
});

describe('the checklist for GGUF', () => {
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const u64 = (value: bigint | number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value, 'latin1')]);
  const head = (tensors: number | bigint, keys: number | bigint, ...rest: Buffer[]) =>
    Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors), u64(keys), ...rest]);
  const tensor = (name: string, dims: (number | bigint)[], type: number, offset: number | bigint) =>
    Buffer.concat([text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]);
  const padded = (bytes: Buffer, data: number) =>
    Buffer.concat([bytes, Buffer.alloc(((32 - (bytes.length % 32)) % 32) + data)]);

  it.each<[string, Buffer, RegExp]>([
    ['version', Buffer.concat([Buffer.from('GGUF'), u32(9), Buffer.alloc(64)]), /version: 9/],
    [
      'big-endian version',
      Buffer.concat([Buffer.from('GGUF'), u32(0x03000000), Buffer.alloc(64)]),
      /huge number means big-endian/,
    ],
    ['tensor count', head(1n << 62n, 0), /tensor count: the number 4611686018427387904 is impossible/],
    [
      'tensor count beyond the file',
      head(1000, 0),
      /tensor count: 1000 records, but the file has room for 0/,
    ],
    ['metadata count', head(0, 5000, Buffer.alloc(100)), /metadata count: 5000 records/],
    [
      'string length',
      head(0, 1, u64(1n << 40n), Buffer.alloc(40)),
      /a metadata key: a text of 1099511627776 bytes/,
    ],
    [
      'key beyond 65535 bytes',
      head(0, 1, text('k'.repeat(70000)), Buffer.alloc(40)),
      /a text of 70000 bytes/,
    ],
    ['key that is not ASCII', head(0, 1, text('k\u00e9'), Buffer.alloc(40)), /a metadata key/],
    [
      'value type',
      head(0, 1, text('key'), u32(13), Buffer.alloc(40)),
      /key: has a value type that GGUF has not/,
    ],
    [
      'array element type',
      head(0, 1, text('key'), u32(9), u32(99), Buffer.alloc(40)),
      /array of a value type that GGUF has not/,
    ],
    ['array of arrays', head(0, 1, text('key'), u32(9), u32(9), Buffer.alloc(40)), /array of arrays/],
    [
      'array length',
      head(0, 1, text('key'), u32(9), u32(4), u64(1n << 50n), Buffer.alloc(40)),
      /key: 1125899906842624 records/,
    ],
    ['bool', head(0, 1, text('key'), u32(7), Buffer.from([2]), Buffer.alloc(40)), /key: a bool of value 2/],
    [
      'key twice',
      head(0, 2, text('key'), u32(0), Buffer.from([1]), text('key'), u32(0), Buffer.from([1])),
      /key: given twice/,
    ],
    ['alignment 0', head(0, 1, text('general.alignment'), u32(4), u32(0)), /general.alignment: 0 \(u32\)/],
    [
      'alignment 2^31',
      head(0, 1, text('general.alignment'), u32(4), u32(0x80000000)),
      /general.alignment: 2147483648/,
    ],
    ['alignment 48', head(0, 1, text('general.alignment'), u32(4), u32(48)), /general.alignment: 48/],
    [
      'alignment of another type',
      head(0, 1, text('general.alignment'), u32(10), u64(32)),
      /general.alignment: 32 \(u64\)/,
    ],
    [
      'name beyond 64 bytes',
      head(1, 0, tensor('n'.repeat(65), [4], 0, 0), Buffer.alloc(64)),
      /a tensor name: a text of 65 bytes/,
    ],
    [
      'five dimensions',
      head(1, 0, tensor('t', [1, 1, 1, 1, 1], 0, 0), Buffer.alloc(64)),
      /tensor "t": has 5 dimensions/,
    ],
    ['a dimension of 0', padded(head(1, 0, tensor('t', [0], 0, 0)), 64), /tensor "t": has shape \[0\]/],
    [
      'a product beyond 2^53',
      padded(head(1, 0, tensor('t', [1n << 40n, 1n << 40n], 0, 0)), 64),
      /tensor "t": has shape/,
    ],
    ['an unknown type', padded(head(1, 0, tensor('t', [4], 77, 0)), 64), /has type 77, which ggml has not/],
    [
      'a type that is not read',
      padded(head(1, 0, tensor('t', [256], 16, 0)), 999),
      /has type 16 \(IQ2_XXS\), which is not read/,
    ],
    [
      'rows of part blocks',
      padded(head(1, 0, tensor('t', [33], 2, 0)), 99),
      /rows of 33, no whole blocks of q4_0/,
    ],
    ['offset that is not aligned', padded(head(1, 0, tensor('t', [4], 0, 8)), 99), /has offset 8/],
    [
      'offset beyond the file',
      padded(head(1, 0, tensor('t', [4], 0, 1n << 52n)), 99),
      /lies at bytes 4503599627370496 to/,
    ],
    ['data cut short', padded(head(1, 0, tensor('t', [64], 0, 0)), 128), /lies at bytes 0 to 256 of 128/],
    [
      'overlap',
      padded(head(2, 0, tensor('a', [16], 0, 0), tensor('b', [16], 0, 32)), 128),
      /tensor "b": at byte 32 overlaps "a", which ends at 64/,
    ],
    [
      'name twice',
      padded(head(2, 0, tensor('a', [4], 0, 0), tensor('a', [4], 0, 32)), 128),
      /tensor "a": is there twice/,
    ],
    [
      'a byte token in small letters',
      head(
        0,
        2,
        text('tokenizer.ggml.tokens'),
        u32(9),
        u32(8),
        u64(1),
        text('<0xa1>'),
        text('tokenizer.ggml.token_type'),
        u32(9),
        u32(5),
        u64(1),
        u32(6),
      ),
      /token 0: "<0xa1>" is marked as a byte/,
    ],
  ])('%s', async (_, bytes, message) => {
    const path = join(temporaryFolder(), 'x.gguf');
    writeFileSync(path, bytes);
    await expect(GgufFile.open(path)).rejects.toThrow(message);
    await expect(GgufFile.open(path)).rejects.toThrow(path);
  });
});

describe('pickles that carry code', () => {
  it.each([
    ['os.system', 'cos\nsystem\n(X\x02\0\0\0idtR'],
    ['builtins.eval', 'cbuiltins\neval\n(X\x01\0\0\x001tR'],
    ['torch.load', '\x8c\x05torch\x8c\x04load\x93'],
    ['posix.system', '\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94'],
  ])('%s is refused by name', async (name, code) => {
    const folder = join(temporaryFolder(), 'meta');
    await convertCheckpoint(await model(), folder, { to: 'meta' });
    const { zipChunks } = await import('../src/meta/zip-writer.ts');
    const pickle = Buffer.from(`\x80\x02}(X\x01\0\0\0a${code}u.`, 'latin1');
    const path = join(folder, 'consolidated.00.pth');
    const chunks: Uint8Array[] = [];
    for await (const chunk of zipChunks('test', path, [
      { name: 'x/data.pkl', bytes: pickle.length, chunks: () => [pickle] },
    ]))
      chunks.push(chunk);
    writeFileSync(path, Buffer.concat(chunks));
    await expect(PthFile.open(path)).rejects.toThrow(`names "${name}", which is code, not a tensor`);
    await expect(openCheckpoint(folder)).rejects.toThrow(name);
  });
});
