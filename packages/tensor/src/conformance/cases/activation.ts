import type { RopePairing } from '../../kernels.ts';
import type { Bench } from '../bench.ts';
import type { Case } from '../case.ts';

const SIZES = [
  [1, 1],
  [3, 17],
  [17, 64],
  [65, 63],
  [64, 100],
] as const;
const ROPE_SIZES = [
  [1, 1, 2],
  [3, 3, 6],
  [17, 5, 64],
  [65, 2, 18],
  [33, 4, 128],
] as const;

/** Row p: cos and sin of p · 10000^(−2j/E) for each pair j. */
export function ropeTable(b: Bench, positions: number, E: number) {
  const table = Float64Array.from({ length: positions * E }, (_, i) => {
    const angle = Math.floor(i / E) * 10000 ** (-(2 * ((i % E) >> 1)) / E);
    return i % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
  return b.wide(table, [positions, E]);
}

export function activationCases(): Case[] {
  return [
    ...ROPE_SIZES.flatMap(([T, H, E]) => ropeCases(T, H, E)),
    ...SIZES.flatMap(([T, F]) => swigluCases(T, F)),
  ];
}

function ropeCases(T: number, heads: number, E: number): Case[] {
  const pairings: RopePairing[] = ['adjacent', 'half'];
  return pairings.flatMap((pairing) =>
    [false, true].flatMap((inverse) =>
      [false, true].map((inPlace): Case => ({
        kernel: 'rope',
        name: `T ${T}, H ${heads}, E ${E}, ${pairing}${inverse ? ', inverse' : ''}${inPlace ? ', in place' : ''}`,
        run(b) {
          const x = inPlace ? b.changing('normal', [T, heads * E]) : b.normal([T, heads * E]);
          const y = inPlace ? x : b.output([T, heads * E]);
          b.kernels.rope(y, x, b.indices(T, 70), ropeTable(b, 70, E), { heads, pairing, inverse });
          return { y };
        },
      })),
    ),
  );
}

function swigluCases(T: number, F: number): Case[] {
  const name = `T ${T}, F ${F}`;
  return [
    {
      kernel: 'swiglu',
      name,
      run(b) {
        const [gate, up, y] = [b.normal([T, F], 3), b.normal([T, F]), b.output([T, F])];
        b.kernels.swiglu(y, gate, up);
        return { y };
      },
    },
    {
      kernel: 'swigluGrad',
      name,
      run(b) {
        const [gate, up, dy] = [b.normal([T, F], 3), b.normal([T, F]), b.normal([T, F])];
        const [dgate, dup] = [b.output([T, F]), b.output([T, F])];
        b.kernels.swigluGrad(dgate, dup, dy, gate, up);
        return { dgate, dup };
      },
    },
    {
      kernel: 'swigluGrad',
      name: `${name}, in place`,
      run(b) {
        const [dy, gate, up] = [b.normal([T, F]), b.changing('normal', [T, F]), b.changing('normal', [T, F])];
        b.kernels.swigluGrad(gate, up, dy, gate, up);
        return { dgate: gate, dup: up };
      },
    },
    {
      kernel: 'swiglu',
      name: `${name}, gates from −600 to 600`,
      run(b) {
        const gate = b.float(
          Float64Array.from({ length: T * F }, (_, i) => 600 - ((i * 37) % 1201)),
          [T, F],
        );
        const [up, y] = [b.normal([T, F], 0.1), b.output([T, F])];
        b.kernels.swiglu(y, gate, up);
        return { y };
      },
    },
  ];
}
