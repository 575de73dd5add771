// The floor plan: a package imports packages of lower floors, never one above it or beside it.
// docs/architecture.md draws it.

/** Floor of every package; apps stand above them all. */
export const floors = /** @type {const} */ ({
  simd: 0,
  attention: 0,
  tokenizer: 0,
  grammar: 0,
  tensor: 1,
  files: 2,
  cli: 2,
  cpu: 2,
  webgpu: 2,
  cuda: 2,
  layers: 3,
  optimizers: 3,
  checkpoint: 4,
  parallelism: 4,
  data: 4,
  inference: 4,
  evaluation: 4,
  tfjs: 4,
  training: 5,
  devices: 5,
});

/** Rooms of C++ headers only, which the C++ of their own floor includes too. @type {readonly string[]} */
export const headerRooms = ['simd'];

const appFloor = 6;

/**
 * @param {{ name: string, kind: 'packages' | 'apps' }} room
 * @returns {number | undefined} undefined for a package the plan does not know
 */
export function floorOf(room) {
  if (room.kind === 'apps') return appFloor;
  return /** @type {Record<string, number>} */ (floors)[room.name];
}
