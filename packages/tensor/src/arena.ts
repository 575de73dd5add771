import type { Device, StorageId } from './device.ts';

/**
 * Pieces are multiples of so many bytes, of more where the device's offsets are: neighbours share
 * no line, and memory does not crumble.
 */
const LEAST_ALIGNMENT = 256;
const FIRST_SEGMENT = 1 << 20;

interface Segment {
  readonly storage: StorageId;
  readonly bytes: number;
  /** Free pieces by ascending offset, never touching each other. */
  free: { offset: number; bytes: number }[];
  /** Highest byte that was ever given out since the last reset. */
  extent: number;
}

/** A piece of an arena. It goes back when its last holder lets go, or with the step. */
export class Region {
  readonly segment: Segment;
  readonly offset: number;
  readonly bytes: number;
  holds = 1;
  /** Holders beyond the end of the step. */
  keeps = 0;

  constructor(segment: Segment, offset: number, bytes: number) {
    this.segment = segment;
    this.offset = offset;
    this.bytes = bytes;
  }

  get storage(): StorageId {
    return this.segment.storage;
  }
}

/** What is free in an arena, to compare it and to go back to it. */
export interface ArenaState {
  readonly inUse: number;
  readonly segments: readonly { readonly segment: Segment; readonly free: Segment['free'] }[];
}

/**
 * Memory for the tensors of a step. Because a device runs commands in order, memory may be given to
 * another tensor as soon as the last command that reads it is encoded: lifetimes are known here,
 * without waiting for anything. Reset keeps the memory and, once its size is known and nothing is
 * lent, turns it into one piece. Where a storage has a limit the memory stays in several.
 */
export class Arena {
  readonly device: Device;
  readonly #alignment: number;
  #staging = new Int32Array(new ArrayBuffer(1 << 12));
  #segments: Segment[] = [];
  #lent = new Set<Region>();
  #inUse = 0;
  #highWater = 0;

  constructor(device: Device) {
    this.device = device;
    this.#alignment = Math.max(LEAST_ALIGNMENT, device.abilities.offsetAlignment);
  }

  /** Most bytes in use at one time since the arena was made. */
  get highWater(): number {
    return this.#highWater;
  }

  get inUse(): number {
    return this.#inUse;
  }

  /** Bytes held from the device. */
  get reserved(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /**
   * Host memory for so many integers on their way to the device, the same each time; what is behind
   * them is left over.
   */
  staging(count: number): { readonly integers: Int32Array; readonly bytes: Uint8Array } {
    if (this.#staging.length < count) this.#staging = new Int32Array(new ArrayBuffer(8 * count));
    return { integers: this.#staging, bytes: new Uint8Array(this.#staging.buffer, 0, 4 * count) };
  }

  allocate(bytes: number): Region {
    const size = Math.max(1, Math.ceil(bytes / this.#alignment)) * this.#alignment;
    const region = this.#bestFit(size) ?? this.#grow(size);
    this.#inUse += size;
    this.#highWater = Math.max(this.#highWater, this.#inUse);
    return region;
  }

  /** Memory that outlives the step: `reset` leaves it alone, and only `release` takes it back. */
  lend(bytes: number): Region {
    const region = this.allocate(bytes);
    this.#lent.add(region);
    return region;
  }

  /** `reset` leaves it alone, too, until it was let go as often as it was kept. */
  keep(region: Region): void {
    region.keeps++;
    this.#lent.add(region);
  }

  /** One keeper less; whether it was the last. The memory is not free before `release`. */
  letGo(region: Region): boolean {
    return --region.keeps === 0 && this.#lent.delete(region);
  }

  release(region: Region): void {
    this.#inUse -= region.bytes;
    insertFree(region.segment.free, region.offset, region.bytes);
    if (this.#lent.delete(region)) this.#unite();
  }

  get state(): ArenaState {
    const segments = this.#segments.map((segment) => ({ segment, free: copyOf(segment.free) }));
    return { inUse: this.#inUse, segments };
  }

  /** Whether the same pieces are free now as then. */
  is({ inUse, segments }: ArenaState): boolean {
    if (inUse !== this.#inUse || segments.length !== this.#segments.length) return false;
    return segments.every(
      ({ segment, free }, i) =>
        segment === this.#segments[i] &&
        free.length === segment.free.length &&
        free.every(
          (piece, p) => piece.offset === segment.free[p].offset && piece.bytes === segment.free[p].bytes,
        ),
    );
  }

  /** Goes to a state that the arena was in before, with the segments it has now. */
  become({ inUse, segments }: ArenaState): void {
    this.#inUse = inUse;
    for (const { segment, free } of segments) segment.free = copyOf(free);
  }

  /** Takes everything back but what is lent. */
  reset(): void {
    const lent = [...this.#lent].sort((a, b) => a.offset - b.offset);
    this.#inUse = lent.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const segment of this.#segments)
      segment.free = gaps(
        lent.filter((region) => region.segment === segment),
        segment.bytes,
      );
    this.#unite();
  }

  dispose(): void {
    for (const segment of this.#segments) this.device.free(segment.storage);
    this.#segments = [];
  }

  /**
   * Several segments of which nothing is in use become one that would have held them all, where one
   * storage may be so large.
   */
  #unite(): void {
    if (this.#inUse > 0 || this.#segments.length < 2) return;
    const bytes = this.#segments.reduce((sum, segment) => sum + segment.extent, 0);
    if (bytes > this.device.abilities.storageLimit) return;
    this.dispose();
    this.#addSegment(bytes);
  }

  #bestFit(bytes: number): Region | undefined {
    let best: { segment: Segment; index: number; bytes: number } | undefined;
    for (const segment of this.#segments) {
      for (let index = 0; index < segment.free.length; index++) {
        const piece = segment.free[index].bytes;
        if (piece >= bytes && (best === undefined || piece < best.bytes))
          best = { segment, index, bytes: piece };
      }
    }
    return best && carve(best.segment, best.index, bytes);
  }

  /** Memory doubles, so that segments are few; none is larger than a storage may be. */
  #grow(bytes: number): Region {
    const { storageLimit } = this.device.abilities;
    const size = Math.max(bytes, Math.min(Math.max(this.reserved, FIRST_SEGMENT), storageLimit));
    return carve(this.#addSegment(size), 0, bytes);
  }

  #addSegment(bytes: number): Segment {
    const segment = { storage: this.device.allocate(bytes), bytes, free: [{ offset: 0, bytes }], extent: 0 };
    this.#segments.push(segment);
    return segment;
  }
}

function copyOf(free: Segment['free']): Segment['free'] {
  return free.map(({ offset, bytes }) => ({ offset, bytes }));
}

function carve(segment: Segment, index: number, bytes: number): Region {
  const piece = segment.free[index];
  const region = new Region(segment, piece.offset, bytes);
  if (piece.bytes === bytes) segment.free.splice(index, 1);
  else segment.free[index] = { offset: piece.offset + bytes, bytes: piece.bytes - bytes };
  segment.extent = Math.max(segment.extent, region.offset + bytes);
  return region;
}

/** What lies between regions, which come by ascending offset. */
function gaps(regions: readonly Region[], bytes: number): { offset: number; bytes: number }[] {
  const starts = [0, ...regions.map((region) => region.offset + region.bytes)];
  const ends = [...regions.map((region) => region.offset), bytes];
  return starts.map((offset, i) => ({ offset, bytes: ends[i] - offset })).filter((piece) => piece.bytes > 0);
}

function insertFree(free: { offset: number; bytes: number }[], offset: number, bytes: number): void {
  let index = free.findIndex((piece) => piece.offset > offset);
  if (index < 0) index = free.length;
  const before = free[index - 1];
  const after = free[index];
  if (before && before.offset + before.bytes === offset) {
    before.bytes += bytes;
    if (after && before.offset + before.bytes === after.offset) {
      before.bytes += after.bytes;
      free.splice(index, 1);
    }
  } else if (after && offset + bytes === after.offset) {
    after.offset = offset;
    after.bytes += bytes;
  } else {
    free.splice(index, 0, { offset, bytes });
  }
}
