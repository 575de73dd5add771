import { createHash } from 'node:crypto';
import { fail, type Parameter, type ParameterSpace } from '@cria/tensor';
import type { Checkpoint } from './checkpoint.ts';
import { openChecksum } from './training-state/checksum.ts';

/** What the frozen parameters of a run are: a checkpoint, by its content. */
export interface BaseModel {
  /** Where it was, to be found again and named in errors. */
  readonly path: string;
  /** SHA-256 over names, types, shapes and checksums of all weights, as they are stored. */
  readonly hash: string;
}

/** Bytes read at a time. */
const PIECE_BYTES = 1 << 24;

/** The identity of a checkpoint: reads all of it once. The same weights in another format or type are another base. */
export async function baseModelOf(checkpoint: Checkpoint): Promise<BaseModel> {
  const checksum = await openChecksum('xxh3');
  const hash = createHash('sha256');
  const weights = [...checkpoint.tensors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, dtype, shape, halfSplit = 0, bytes, readBytes } of weights) {
    checksum.begin();
    for (let at = 0; at < bytes; at += PIECE_BYTES)
      checksum.add(await readBytes(at, Math.min(at + PIECE_BYTES, bytes)));
    hash.update(`${name} ${dtype} [${shape.join()}] ${halfSplit} ${checksum.end()}\n`);
  }
  return { path: checkpoint.path, hash: hash.digest('hex') };
}

/** The parameters that a base gives: frozen ones whose value is not of the space's own memory. */
export function isOfBase(parameters: ParameterSpace, parameter: Parameter): boolean {
  return parameter.frozen && parameter.bound && !parameters.holds(parameter.value.storage);
}

/** What a state keeps beside its base; without one, everything. */
export function keptParameters(
  parameters: ParameterSpace,
  base: BaseModel | undefined,
): readonly Parameter[] {
  const all = parameters.parameters;
  return base ? all.filter((parameter) => !isOfBase(parameters, parameter)) : all;
}

/** Refuses to put a state's parameters on another base than they were trained over. */
export function checkBase(op: string, folder: string, saved?: BaseModel, given?: BaseModel): void {
  if (saved?.hash === given?.hash) return;
  const named = ({ path, hash }: BaseModel) => `${path} (${hash.slice(0, 12)})`;
  if (!saved && given)
    fail(op, `${folder} is a whole state, and the base ${named(given)} was given.`, 'leave it out');
  if (!saved) return;
  fail(
    op,
    `${folder} was trained over the base ${named(saved)}, not over ${given ? named(given) : 'none'}.`,
    given
      ? 'open the base that it names'
      : 'bind the base to the frozen parameters, and give baseModelOf() of it',
  );
}
