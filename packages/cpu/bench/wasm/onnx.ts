/** Protocol buffers, as far as an ONNX model needs them: a field of bytes, text or a number. */
function field(number: number, value: Uint8Array | string | number): Uint8Array {
  if (typeof value === 'number') return join(varint(number << 3), varint(value));
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return join(varint((number << 3) | 2), varint(bytes.length), bytes);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const FLOAT = 1;

/** A model of one node, y[m, n] = x[m, k]·b[k, n] with b inside, which ONNX Runtime packs when it loads the model. */
export function matmulModel(m: number, k: number, n: number, b: Float32Array): Uint8Array {
  const dimension = (size: number) => field(1, field(1, size));
  const info = (name: string, rows: number, columns: number) => {
    const shape = join(dimension(rows), dimension(columns));
    return join(field(1, name), field(2, field(1, join(field(1, FLOAT), field(2, shape)))));
  };
  const weight = join(
    field(1, k),
    field(1, n),
    field(2, FLOAT),
    field(8, 'b'),
    field(9, new Uint8Array(b.buffer, b.byteOffset, b.byteLength)),
  );
  const node = join(field(1, 'x'), field(1, 'b'), field(2, 'y'), field(4, 'MatMul'));
  const graph = join(
    field(1, node),
    field(2, 'product'),
    field(5, weight),
    field(11, info('x', m, k)),
    field(12, info('y', m, n)),
  );
  return join(field(1, 8), field(7, graph), field(8, field(2, 13)));
}
