import { fail } from '@cria/tensor';

/** Section of imports, kind of an imported memory, and the flags of its limits. */
const IMPORTS = 2;
const MEMORY = 2;
const SHARED = 0x03; // shared, with a maximum
const UNSHARED = 0x01; // with a maximum

/**
 * The same module over memory that is not shared, for one thread where threads are not to be had: a
 * copy with one bit less in the limits of the memory that it imports. Atomic operations mean the
 * same there; only waiting does not exist, and one thread never waits.
 */
export function unshared(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  let at = 8; // behind magic number and version
  /** Unsigned LEB128. */
  const number = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = copy[at++] ?? fail('wasm', 'the wasm file ends within a number.');
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  };
  while (at < copy.length) {
    const section = copy[at++];
    const size = number();
    if (section !== IMPORTS) {
      at += size;
      continue;
    }
    for (let left = number(); left > 0; left--) {
      for (let name = 0; name < 2; name++) {
        const length = number();
        at += length;
      }
      if (copy[at++] !== MEMORY) break; // the one import there is
      if (copy[at] !== SHARED) break;
      copy[at] = UNSHARED;
      return copy;
    }
    break;
  }
  return fail('wasm', 'the wasm file imports no shared memory.', 'it is of another version: build it anew');
}
