import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  SafetensorsFile,
  type StoredDType,
  type TensorToWrite,
  writeSafetensors,
} from '@cria/checkpoint/formats';
import { fixtures, have, plainParse, temporaryFolder } from './helpers.ts';

const folder = mkdtempSync(join(tmpdir(), 'cria-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file from a header and data, without the writer. */
function rawFile(header: string | Uint8Array, data: Uint8Array, length?: bigint): string {
  const json = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(json.length));
  const path = join(folder, 'raw.safetensors');
  writeFileSync(path, Buffer.concat([prefix, json, data]));
  return path;
}

async function refusal(path: string): Promise<string> {
  return SafetensorsFile.open(path).then(
    () => 'accepted',
    (error: Error) => (error.name === 'CriaError' ? error.message : `not ours: ${error.stack}`),
  );
}

const four = new Uint8Array(4);

describe('reading safetensors', () => {
  it.each<[string, string | Uint8Array, Uint8Array, string]>([
    [
      'a duplicate tensor',
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      four,
      '"a" twice',
    ],
    [
      'a duplicate spelled with an escape',
      '{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"\\u0061" : ' +
        '{"dtype":"U8","shape":[0],"data_offsets":[4,4]}}',
      four,
      '"a" twice',
    ],
    [
      'a duplicate field',
      '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      four,
      '"dtype" twice',
    ],
    [
      'a hole at the start',
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
      four,
      'leaves bytes 0 to 2',
    ],
    [
      'a hole between',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
      four,
      'leaves bytes 1 to 2',
    ],
    [
      'an overlap',
      '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}',
      four,
      'overlaps "a"',
    ],
    [
      'bytes of nobody at the end',
      '{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}',
      four,
      'tensors cover 3',
    ],
    [
      'a tensor beyond the end',
      '{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}',
      four,
      'bytes 0 to 5 of 4',
    ],
    ['offsets backwards', '{"a":{"dtype":"U8","shape":[0],"data_offsets":[4,0]}}', four, 'bytes 4 to 0'],
    [
      'a size that does not fit',
      '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
      four,
      '8 bytes, but its data_offsets span 4',
    ],
    [
      'a product that overflows',
      '{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}',
      four,
      'no whole number of bytes',
    ],
    ['an unknown dtype', '{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}', four, 'dtype "F33"'],
    [
      'a dtype of Object.prototype',
      '{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,4]}}',
      four,
      'dtype "toString"',
    ],
    ['a fraction', '{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}', four, 'shape [1.5]'],
    ['a negative extent', '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', four, 'shape [-1]'],
    ['offsets missing', '{"a":{"dtype":"F32","shape":[1]}}', four, 'data_offsets missing'],
    ['metadata that is no text', '{"__metadata__":{"x":1}}', new Uint8Array(0), '__metadata__ "x" is 1'],
    ['JSON that ends early', '{"a":', four, 'not valid JSON'],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), four, 'not valid JSON'],
    ['a header that is a list', '[]', four, 'does not start with "{"'],
    ['a header after a space', ' {}', new Uint8Array(0), 'does not start with "{"'],
    ['deep nesting', `{"a":${'['.repeat(100_000)}`, four, 'nests deeper'],
  ])('refuses %s', async (_, header, bytes, message) => {
    const found = await refusal(rawFile(header, bytes));
    expect(found).toContain(message);
    expect(found).toContain('raw.safetensors');
  });

  it('refuses header lengths without allocating for them', async () => {
    expect(await refusal(rawFile('{}', four, 3n))).toContain('not valid JSON');
    expect(await refusal(rawFile('{}', four, 100n))).toContain('header length 100 exceeds the 6 bytes');
    expect(await refusal(rawFile('{}', four, 2n ** 64n - 1n))).toContain(
      '18446744073709551615 exceeds 100000000',
    );
    writeFileSync(join(folder, 'short'), 'abc');
    expect(await refusal(join(folder, 'short'))).toContain('3 bytes are no safetensors file');
    expect(await refusal(join(folder, 'absent'))).toContain('no such file');
    expect(await refusal(folder)).toContain('is not a file');
  });

  it('accepts empty tensors, scalars, padding and data at odd addresses', async () => {
    const header =
      '{"s":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"e":{"dtype":"F32","shape":[0,7],"data_offsets":[1,1]},"f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}   ';
    const bytes = Buffer.alloc(5, 7);
    bytes.writeFloatLE(1.5, 1);
    const file = await SafetensorsFile.open(rawFile(header, bytes));
    expect(await file.read('e')).toHaveLength(0);
    expect([...(await file.read('s'))]).toEqual([7]);
    const read = await file.read('f');
    expect(new Float32Array(read.buffer)[0]).toBe(1.5);
    await expect(file.read('f', 0, 5)).rejects.toThrow('outside "f" of 4 bytes');
    await expect(file.read('g')).rejects.toThrow('no tensor "g"');
  });

  it('refuses a file that was replaced after it was opened', async () => {
    const path = rawFile('{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}', four);
    const file = await SafetensorsFile.open(path);
    rmSync(path);
    rawFile('{"a":{"dtype":"U8","shape":[5],"data_offsets":[0,5]}}', new Uint8Array(5));
    await expect(file.read('a')).rejects.toThrow('changed after it was opened');
  });

  it('survives thousands of mutated files with a clear error or the right tensors', async () => {
    const good = readFileSync(await sampleFile());
    const runs = Number(process.env['CRIA_FUZZ'] ?? 2000);
    const path = join(folder, 'mutated.safetensors');
    const headerEnd = 8 + Number(good.readBigUInt64LE(0));
    const edit = fc.record({
      at: fc.nat(headerEnd - 1),
      byte: fc.nat(255),
      kind: fc.constantFrom('set', 'flip', 'insert', 'delete', 'cut', 'digit'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
        let bytes = Buffer.from(good);
        for (const { at, byte, kind } of edits) {
          const place = Math.min(at, bytes.length - 1);
          if (kind === 'set') bytes[place] = byte;
          else if (kind === 'digit') bytes[place] = 0x30 + (byte % 10);
          else if (kind === 'flip') bytes[place] = bytes[place]! ^ (1 << (byte & 7));
          else if (kind === 'insert')
            bytes = Buffer.concat([bytes.subarray(0, place), Buffer.of(byte), bytes.subarray(place)]);
          else if (kind === 'delete')
            bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]);
          else bytes = bytes.subarray(0, Math.max(1, place));
        }
        writeFileSync(path, bytes);
        const found = await refusal(path);
        if (found !== 'accepted') {
          expect(found).toMatch(/^\[safetensors\.open\] .*mutated\.safetensors/s);
          return;
        }
        const file = await SafetensorsFile.open(path);
        let covered = 0;
        for (const name of file.tensors.keys()) covered += (await file.read(name)).length;
        expect(covered).toBe(bytes.length - 8 - Number(bytes.readBigUInt64LE(0)));
      }),
      { numRuns: runs },
    );
  });
});

async function sampleFile(): Promise<string> {
  const path = join(folder, 'sample.safetensors');
  const tensors = [
    tensor('weight', 'f32', [3, 2]),
    tensor('ünïcode "quoted"', 'bf16', [5]),
    tensor('ids', 'i64', [2]),
    tensor('empty', 'f16', [0]),
  ];
  await writeSafetensors(path, tensors, { metadata: { format: 'pt', note: 'a "note"' } });
  return path;
}

function tensor(name: string, dtype: StoredDType, shape: number[]): TensorToWrite {
  const width = { f32: 4, bf16: 2, f16: 2, i64: 8, u8: 1, f64: 8 }[dtype as 'f32'];
  const bytes = new Uint8Array(width * shape.reduce((a, b) => a * b, 1)).map((_, i) => i * 37 + name.length);
  return { name, dtype, shape, chunks: () => [bytes.subarray(0, 3), bytes.subarray(3)] };
}

describe('writing safetensors', () => {
  it('reads back through an independent parser, sorted and padded as the Rust writer does', async () => {
    const path = await sampleFile();
    const parsed = plainParse(path);
    expect(Object.keys(parsed)).toEqual(['ids', 'weight', 'ünïcode "quoted"', 'empty']);
    for (const [spelled, { name, dtype, shape }] of [
      ['F32', tensor('weight', 'f32', [3, 2])],
      ['I64', tensor('ids', 'i64', [2])],
    ] as const) {
      const wanted = Buffer.concat([...(tensor(name, dtype, [...shape]).chunks() as Iterable<Uint8Array>)]);
      expect(parsed[name]).toEqual({ dtype: spelled, shape, bytes: wanted });
    }
    expect(readFileSync(path).readBigUInt64LE(0) % 8n).toBe(0n);
    expect((await SafetensorsFile.open(path)).metadata).toEqual({ format: 'pt', note: 'a "note"' });
  });

  it('knows every type of the format by its name, widest first', async () => {
    // The enum of the Rust library, from its documentation, and bits of an element.
    const documented = [
      ['BOOL', 8], ['F4', 4], ['F6_E2M3', 6], ['F6_E3M2', 6], ['U8', 8], ['I8', 8], ['F8_E5M2', 8], ['F8_E4M3', 8],
      ['F8_E8M0', 8], ['F8_E4M3FNUZ', 8], ['F8_E5M2FNUZ', 8], ['I16', 16], ['U16', 16], ['F16', 16], ['BF16', 16],
      ['I32', 32], ['U32', 32], ['F32', 32], ['C64', 64], ['F64', 64], ['I64', 64], ['U64', 64],
    ] as const; // prettier-ignore
    const entries = documented.map(([dtype, bits], i) => {
      const sizes = documented.slice(0, i + 1).map(([, each]) => each);
      const end = sizes.reduce((sum, each) => sum + each, 0);
      return [`t${i}`, { dtype, shape: [8], data_offsets: [end - bits, end] }] as const;
    });
    const total = documented.reduce((sum, [, bits]) => sum + bits, 0);
    const file = await SafetensorsFile.open(
      rawFile(JSON.stringify(Object.fromEntries(entries)), new Uint8Array(total)),
    );
    expect([...file.tensors.values()].map(({ dtype }) => dtype)).toEqual(
      documented.map(([dtype]) => dtype.toLowerCase()),
    );
    const path = join(folder, 'all-types.safetensors');
    const copies = [...file.tensors.values()].map((each) => ({
      ...each,
      chunks: () => readAll(file, each.name),
    }));
    await writeSafetensors(path, copies);
    expect(Object.values(plainParse(path)).map(({ dtype }) => dtype)).toEqual(
      documented.map(([dtype]) => dtype).reverse(),
    );
  });

  it.skipIf(!have(fixtures))('writes the bytes that the Rust writer wrote', async () => {
    for (const name of ['llama/mha', 'llama/tied-scaled-rope', 'training/gqa', 'dpo']) {
      const original = join(fixtures, name, 'model.safetensors');
      const file = await SafetensorsFile.open(original);
      const copy = join(folder, 'copy.safetensors');
      const tensors = [...file.tensors.values()]
        .reverse()
        .map((entry) => ({ ...entry, chunks: () => readAll(file, entry.name) }));
      await writeSafetensors(copy, tensors);
      expect(Buffer.compare(readFileSync(copy), readFileSync(original)), name).toBe(0);
    }
  });

  it('leaves the old file where writing fails, and nothing beside it', async () => {
    const own = temporaryFolder();
    const path = join(own, 'model.safetensors');
    await writeSafetensors(path, [tensor('weight', 'f32', [3, 2])]);
    const before = readFileSync(path);
    const broken = { ...tensor('weight', 'f32', [3, 2]), chunks: () => [new Uint8Array(23)] };
    await expect(writeSafetensors(path, [broken])).rejects.toThrow('"weight" gave only 23 of 24 bytes');
    await expect(writeSafetensors(path, [{ ...broken, chunks: () => [new Uint8Array(25)] }])).rejects.toThrow(
      'more than 24',
    );
    await expect(writeSafetensors(path, [tensor('a', 'u8', [1]), tensor('a', 'u8', [1])])).rejects.toThrow(
      '"a" is taken',
    );
    await expect(writeSafetensors(join(path, 'below'), [])).rejects.toThrow('a part of the path is a file');
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(own)).toEqual(['model.safetensors']);
  });
});

async function* readAll(file: SafetensorsFile, name: string) {
  yield await file.read(name);
}
