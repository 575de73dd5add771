import { join } from 'node:path';
import { fail, type ParameterSpace, sizeOf, type Tensor } from '@cria/tensor';
import { type BaseModel, keptParameters } from '../base-model.ts';
import type { StoredPiece, TensorInfo } from '../checkpoint.ts';
import { joinPieces } from '../cut-weight.ts';
import { infoOf } from '../safetensors/info.ts';
import { SafetensorsFile } from '../safetensors/reader.ts';

/*
 * A state of which each rank has some parameters, or parts of them: boxes of the whole ones,
 * whatever the cut. The state says where each box lies; what is read of it are the whole
 * parameters, or any other parts of them.
 */

const op = 'loadTrainingState';

/** A parameter, or a part of one, as a rank has it. */
export interface StoredBox {
  readonly name: string;
  /** Of the whole parameter. */
  readonly of: readonly number[];
  readonly begin: readonly number[];
  readonly shape: readonly number[];
}

/** The file of a rank, and the boxes in it. */
export interface BoxFile {
  readonly file: string;
  readonly boxes: readonly StoredBox[];
}

/** The name of a box's tensor in its file: of its values, or of a state. */
export function boxName(what: string, name: string): string {
  return `${what}.${name}`;
}

/** A parameter's box and where its values, and those of each state, are. */
export interface HeldBox extends StoredBox {
  readonly value: Tensor;
  readonly states: Readonly<Record<string, Tensor>>;
}

/** What a rank has. */
export function boxesOf(parameters: ParameterSpace, base: BaseModel | undefined): HeldBox[] {
  const states = parameters.stateNames.map((name) => [name, parameters.states.get(name)] as const);
  const placed = new Set(parameters.placed);
  return keptParameters(parameters, base).map((parameter) => {
    const { name, shape, part } = parameter;
    const own = placed.has(parameter)
      ? states.map(([state, memory]) => [state, parameters.view(memory, parameter)])
      : [];
    return {
      name,
      shape,
      of: part?.of ?? shape,
      begin: part?.begin ?? shape.map(() => 0),
      value: parameters.master(parameter),
      states: Object.fromEntries(own),
    };
  });
}

/**
 * For every rank, the numbers of its boxes that it writes: of equal ones the first. Throws where
 * the boxes of a name do not make the whole.
 */
export function shareOutBoxes(op: string, ranks: readonly (readonly StoredBox[])[]): number[][] {
  const seen = new Map<string, StoredBox[]>();
  const shares = ranks.map((boxes) =>
    boxes.flatMap((box, i) => {
      const others = seen.get(box.name) ?? [];
      if (others.some((other) => sameBox(op, other, box))) return [];
      seen.set(box.name, [...others, box]);
      return [i];
    }),
  );
  for (const [name, boxes] of seen) {
    const whole = sizeOf(boxes[0]?.of ?? []);
    const covered = boxes.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    if (covered !== whole)
      fail(
        op,
        `ranks have ${covered} of the ${whole} elements of ${name}.`,
        'every element belongs to a rank',
      );
  }
  return shares;
}

/** Whether two boxes of a name are one; throws where they are of different wholes, or meet without being one. */
function sameBox(op: string, a: StoredBox, b: StoredBox): boolean {
  const text = ({ begin, shape }: StoredBox) => `[${shape.join(', ')}] from [${begin.join(', ')}] on`;
  if (a.of.join() !== b.of.join())
    fail(op, `${a.name} is [${a.of.join(', ')}] to one rank, [${b.of.join(', ')}] to another.`);
  if (text(a) === text(b)) return true;
  const apart = a.of.some((_, axis) => {
    const [first, second] = [a.begin[axis] ?? 0, b.begin[axis] ?? 0];
    return first + (a.shape[axis] ?? 0) <= second || second + (b.shape[axis] ?? 0) <= first;
  });
  if (!apart) fail(op, `${a.name}: ${text(a)} and ${text(b)} of two ranks overlap.`);
  return false;
}

/** The whole parameters, of values or of a state, as weights like any other. */
export async function boxedWeights(
  folder: string,
  files: readonly BoxFile[],
  what: string,
): Promise<Map<string, TensorInfo>> {
  const pieces = new Map<string, { readonly of: readonly number[]; readonly all: StoredPiece[] }>();
  for (const { file, boxes } of files) {
    const stored = await SafetensorsFile.open(join(folder, file));
    for (const { name, of, begin, shape } of boxes) {
      const weight = weightOf(stored, boxName(what, name), shape);
      if (!weight) continue;
      const { all } = pieces.get(name) ?? { all: [] };
      pieces.set(name, { of, all: [...all, { weight, begin }] });
    }
  }
  return new Map(
    [...pieces].map(([name, { of, all }]) => {
      const { dtype } = all[0]!.weight; // there is none without a piece
      const like = { name, storedName: name, dtype, file: folder, halfSplit: undefined };
      return [name, joinPieces(like, of, all)];
    }),
  );
}

function weightOf(
  file: SafetensorsFile,
  storedName: string,
  shape: readonly number[],
): TensorInfo | undefined {
  const tensor = file.tensors.get(storedName);
  if (!tensor) return undefined;
  if (tensor.shape.join() !== shape.join())
    fail(op, `${file.path}: "${storedName}" is [${tensor.shape.join(', ')}], not [${shape.join(', ')}].`);
  return infoOf(file, tensor);
}
