import { crc32 } from 'node:zlib';
import { CriaError } from '@cria/tensor';
import { SafetensorsFile } from '../safetensors/reader.ts';
import type { TensorToWrite } from '../safetensors/writer.ts';

/** Bytes summed at a time. */
const PIECE_BYTES = 1 << 24;

/** The tensor, whose crc32 (that of zip and PNG) goes into `sums` in hex digits once it is written. */
export function withChecksum(tensor: TensorToWrite, sums: Record<string, string>): TensorToWrite {
  async function* summed() {
    let crc = 0;
    for await (const chunk of tensor.chunks()) {
      crc = crc32(chunk, crc);
      yield chunk;
    }
    sums[tensor.name] = hex(crc);
  }
  return { ...tensor, chunks: summed };
}

/** The first tensor of a damaged file that has another checksum; undefined where the damage is in the header. */
export async function findDamagedTensor(
  path: string,
  sums: Readonly<Record<string, string>>,
): Promise<string | undefined> {
  try {
    const file = await SafetensorsFile.open(path);
    for (const { name, begin, end } of file.tensors.values()) {
      let crc = 0;
      for (let at = 0; at < end - begin; at += PIECE_BYTES)
        crc = crc32(await file.read(name, at, Math.min(at + PIECE_BYTES, end - begin)), crc);
      if (hex(crc) !== sums[name]) return name;
    }
  } catch (error) {
    if (!(error instanceof CriaError)) throw error; // the header itself: the caller says that the file is damaged
  }
  return undefined;
}

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}
