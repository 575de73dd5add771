import { type Arena, type ArenaState, Region } from './arena.ts';
import type { Recording } from './device.ts';
import { Tensor } from './tensor.ts';

interface Kept {
  readonly key: readonly unknown[];
  readonly before: ArenaState;
  readonly after: ArenaState;
  readonly recording: Recording;
  readonly result: Tensor;
}

/** Batches of several sizes take turns; each keeps some ten thousand bytes. */
const MOST_KEPT = 16;

/** Commands that steps over one arena encoded, those used last in front. */
export class Recordings {
  #kept: Kept[] = [];

  /**
   * The tensor that `encode` makes, by the commands it encoded before in the same circumstances
   * where they are still kept.
   */
  repeat(arena: Arena, key: readonly unknown[], encode: () => Tensor): Tensor {
    const { record } = arena.device.abilities;
    if (!record) return encode();
    const kept = this.#take(arena, key);
    if (kept) {
      kept.recording.repeat();
      arena.become(kept.after);
      return again(kept.result);
    }
    const before = arena.state;
    let result: Tensor | undefined;
    const recording = record(() => (result = encode()));
    if (recording) this.#keep({ key, before, after: arena.state, recording, result: result! });
    return result!;
  }

  /** What fits now, moved to the front. */
  #take(arena: Arena, key: readonly unknown[]): Kept | undefined {
    const index = this.#kept.findIndex((kept) => equal(kept.key, key) && arena.is(kept.before));
    const kept = this.#kept[index];
    if (!kept) return undefined;
    if (index > 0 || !kept.recording.valid) this.#kept.splice(index, 1);
    if (!kept.recording.valid) return undefined;
    if (index > 0) this.#kept.unshift(kept);
    return kept;
  }

  #keep(kept: Kept): void {
    this.#kept.unshift(kept);
    if (this.#kept.length > MOST_KEPT) this.#kept.pop();
  }
}

function equal(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The same place in the arena, held once. */
function again({ device, dtype, shape, storage, offset, layout, region }: Tensor): Tensor {
  const held = region && new Region(region.segment, region.offset, region.bytes);
  return new Tensor(device, dtype, shape, { storage, offset, layout, region: held });
}
