import { readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fail } from '@cria/tensor';
import { writeFileAtomic } from '@cria/files';
import { encodeJson, readJson } from '../json-file.ts';
import { SafetensorsFile } from './reader.ts';
import { compareTensors, tensorBytes, type TensorToWrite, writeSafetensors } from './writer.ts';

/** Hugging Face's names for the weights of a folder: one file, or an index and its shards. */
export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** A file of weights, whatever its format. */
interface Shard {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, unknown>;
}

/** The files that an index names, each checked to hold exactly the tensors that the index says. */
export async function openShards(indexPath: string): Promise<SafetensorsFile[]> {
  return openIndexed('safetensors.openShards', indexPath, (path) => SafetensorsFile.open(path));
}

/** The same for shards of any format. */
export async function openIndexed<File extends Shard>(
  op: string,
  indexPath: string,
  open: (path: string) => Promise<File>,
): Promise<File[]> {
  const { weight_map: map } = (await readJson(op, indexPath)) as { weight_map?: unknown };
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    fail(op, `${indexPath} has no weight_map.`, 'is it an index of shards?');
  const byFile = new Map<string, Set<string>>();
  for (const [tensor, file] of Object.entries(map)) {
    if (typeof file !== 'string' || file === '' || file !== basename(file) || /^\.|[\\/]/.test(file)) {
      fail(
        op,
        `${indexPath} places "${tensor}" in ${JSON.stringify(file)}.`,
        'shards are files in the same folder',
      );
    }
    byFile.set(file, (byFile.get(file) ?? new Set()).add(tensor));
  }
  const folder = indexPath.slice(0, -basename(indexPath).length);
  const shards: File[] = [];
  for (const [file, names] of byFile) {
    const shard = await open(join(folder, file));
    for (const name of names)
      if (!shard.tensors.has(name))
        fail(op, `${indexPath} places "${name}" in ${file}, which has no such tensor.`);
    for (const name of shard.tensors.keys())
      if (!names.has(name))
        fail(op, `${shard.path} holds "${name}", which ${indexPath} does not place there.`);
    shards.push(shard);
  }
  return shards;
}

export interface ShardOptions {
  /**
   * Above so many bytes of tensors, weights are split into several files. Default: one file. A
   * larger tensor gets a file of its own.
   */
  readonly maxShardBytes?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes `model.safetensors`, or shards and their index, into a folder; then removes weights of an
 * earlier save that would be mistaken for these. Names of the files written.
 */
export async function writeModelFiles(
  folder: string,
  tensors: Iterable<TensorToWrite>,
  options: ShardOptions = {},
): Promise<string[]> {
  const { maxShardBytes = Infinity, metadata = { format: 'pt' } } = options;
  if (!(maxShardBytes > 0))
    fail('safetensors.write', `maxShardBytes is ${maxShardBytes}.`, 'give a number of bytes above 0');
  const groups = groupBySize([...tensors].sort(compareTensors), maxShardBytes);
  const written: string[] = [];
  if (groups.length <= 1) {
    await writeSafetensors(join(folder, SINGLE_FILE), groups[0] ?? [], { metadata, sha256: false });
    written.push(SINGLE_FILE);
  } else {
    const number = (value: number) => String(value).padStart(5, '0');
    const map: Record<string, string> = {};
    for (const [i, group] of groups.entries()) {
      const name = `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`;
      await writeSafetensors(join(folder, name), group, { metadata, sha256: false });
      for (const tensor of group) map[tensor.name] = name;
      written.push(name);
    }
    const total = groups.flat().reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
    const index = {
      metadata: { total_size: total },
      weight_map: Object.fromEntries(Object.entries(map).sort()),
    };
    await writeFileAtomic('safetensors.write', join(folder, INDEX_FILE), [encodeJson(index)]);
    written.push(INDEX_FILE);
  }
  await removeStale(folder, written);
  return written;
}

function groupBySize(tensors: readonly TensorToWrite[], limit: number): TensorToWrite[][] {
  const groups: TensorToWrite[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    if (groups.length === 0 || bytes > room) {
      groups.push([]);
      room = limit;
    }
    groups.at(-1)?.push(tensor);
    room -= bytes;
  }
  return groups;
}

async function removeStale(folder: string, written: readonly string[]): Promise<void> {
  for (const name of await readdir(folder)) {
    const ours =
      name === SINGLE_FILE || name === INDEX_FILE || /^model-\d{5}-of-\d{5}\.safetensors$/.test(name);
    if (ours && !written.includes(name)) await rm(join(folder, name));
  }
}
