/** Whether two arrays hold the same bytes, compared by fours where they lie so. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length || a.byteOffset % 4 !== 0 || b.byteOffset % 4 !== 0)
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  const words = a.length >> 2;
  const [x, y] = [a, b].map((bytes) => new Uint32Array(bytes.buffer, bytes.byteOffset, words));
  for (let i = 0; i < words; i++) if (x[i] !== y[i]) return false;
  for (let i = words * 4; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
