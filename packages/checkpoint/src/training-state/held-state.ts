import type { PreparedState, StateTensor } from './write.ts';

/** A tensor with all its bytes in memory. */
export interface HeldTensor extends Omit<StateTensor, 'chunks'> {
  readonly held: readonly Uint8Array<ArrayBuffer>[];
}

/** A state with all bytes in memory, which can go to another thread. */
export interface HeldState extends Omit<PreparedState, 'tensors'> {
  readonly tensors: ReadonlyMap<string, readonly HeldTensor[]>;
}

/** Copies a state out of the device, into memory of an earlier copy as far as its pieces fit. */
export async function hold(
  { step, files, tensors }: PreparedState,
  memory: readonly ArrayBuffer[] = [],
): Promise<HeldState> {
  const spare = new Map<number, ArrayBuffer[]>();
  for (const buffer of memory)
    spare.set(buffer.byteLength, [...(spare.get(buffer.byteLength) ?? []), buffer]);
  const take = (bytes: number) => new Uint8Array(spare.get(bytes)?.pop() ?? new ArrayBuffer(bytes));
  const held = new Map<string, HeldTensor[]>();
  for (const [file, list] of tensors) {
    const copies: HeldTensor[] = [];
    for (const { chunks, ...tensor } of list) {
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      // nobody shares what was read
      for await (const chunk of chunks(take)) pieces.push(chunk as Uint8Array<ArrayBuffer>);
      copies.push({ ...tensor, held: pieces });
    }
    held.set(file, copies);
  }
  return { step, files, tensors: held };
}

/** The memory that a thread may take over. */
export function heldMemory({ tensors }: HeldState): ArrayBuffer[] {
  return [...tensors.values()].flatMap((list) =>
    list.flatMap(({ held }) => held.map(({ buffer }) => buffer)),
  );
}

export function fromHeld({ tensors, ...state }: HeldState): PreparedState {
  const prepared = [...tensors].map(
    ([file, list]) =>
      [file, list.map(({ held, ...tensor }): StateTensor => ({ ...tensor, chunks: () => held }))] as const,
  );
  return { ...state, tensors: new Map(prepared) };
}
