/** As much of the format as the fixtures need: every tensor as numbers. */
export function readSafetensors(file: Buffer): Map<string, Float64Array> {
  const headerLength = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, 8 + headerLength).toString()) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  const readers: Record<string, { bytes: number; at: (view: DataView, offset: number) => number }> = {
    F64: { bytes: 8, at: (view, offset) => view.getFloat64(offset, true) },
    I32: { bytes: 4, at: (view, offset) => view.getInt32(offset, true) },
    U8: { bytes: 1, at: (view, offset) => view.getUint8(offset) },
  };
  const tensors = new Map<string, Float64Array>();
  for (const [name, { dtype, data_offsets: range }] of Object.entries(header)) {
    const reader = readers[dtype];
    if (!reader) continue;
    const view = new DataView(
      file.buffer,
      file.byteOffset + 8 + headerLength + range[0],
      range[1] - range[0],
    );
    const at = (_: unknown, i: number) => reader.at(view, i * reader.bytes);
    tensors.set(name, Float64Array.from({ length: view.byteLength / reader.bytes }, at));
  }
  return tensors;
}
