/* States to save and compare; no part of vitest, so that threads and child processes can use them. */
import { type LlamaConfig, llamaConfig } from '@cria/layers';
import { type AllocateOptions, type FlatMemory, ParameterSpace, reference } from '@cria/tensor';

export const tiny: LlamaConfig = llamaConfig({
  dim: 12,
  nLayers: 2,
  nHeads: 3,
  nKvHeads: 1,
  headDim: 8,
  ffnDim: 20,
  vocabSize: 31,
  contextLength: 16,
});

/** The shapes of paper.md §5.1, written down once more. */
export function shapesOf(config: LlamaConfig): [name: string, shape: number[]][] {
  const { dim: D, nHeads: H, nKvHeads: K, headDim: E, ffnDim: F, vocabSize: V } = config;
  const layers = Array.from({ length: config.nLayers }, (_, i): [string, number[]][] => [
    [`layers.${i}.attention_norm.weight`, [D]],
    [`layers.${i}.attention.wq.weight`, [H * E, D]],
    [`layers.${i}.attention.wk.weight`, [K * E, D]],
    [`layers.${i}.attention.wv.weight`, [K * E, D]],
    [`layers.${i}.attention.wo.weight`, [D, H * E]],
    [`layers.${i}.ffn_norm.weight`, [D]],
    [`layers.${i}.feed_forward.w1.weight`, [F, D]],
    [`layers.${i}.feed_forward.w2.weight`, [D, F]],
    [`layers.${i}.feed_forward.w3.weight`, [F, D]],
  ]);
  const output: [string, number[]][] = config.tiedEmbeddings ? [] : [['output.weight', [V, D]]];
  return [['tok_embeddings.weight', [V, D]], ...layers.flat(), ['norm.weight', [D]], ...output];
}

/** A parameter space with a LLaMA's names and shapes. */
export function spaceOf(config: LlamaConfig, options: AllocateOptions = {}): ParameterSpace {
  const space = new ParameterSpace(reference());
  for (const [name, shape] of shapesOf(config))
    space.add(name, shape, { init: { normal: 1 }, decay: shape.length > 1 });
  space.allocate(options);
  return space;
}

/** Every bit pattern there is: NaNs with payloads, infinities, subnormals, both zeros. */
export function fillWithBits(space: ParameterSpace, seed: number): void {
  let state = seed >>> 0 || 1;
  const flats = [space.masterMemory, ...space.stateNames.map((name) => space.states.get(name))];
  for (const flat of flats) {
    for (const parameter of space.parameters) {
      const view = space.view(flat, parameter);
      const bytes = new Uint8Array(view.byteLength);
      for (let i = 0; i < bytes.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        bytes[i] = state >>> 24;
      }
      view.write(bytes);
    }
  }
  space.roundMasters();
}

/** All bytes of values, masters and states, parameter by parameter. */
export async function bitsOf(space: ParameterSpace): Promise<Record<string, string>> {
  const bits: Record<string, string> = {};
  const flats: [string, FlatMemory][] = [
    ['value', space.valueMemory],
    ['master', space.masterMemory],
    ...space.stateNames.map((name): [string, FlatMemory] => [name, space.states.get(name)]),
  ];
  for (const [kind, flat] of flats) {
    for (const parameter of space.parameters) {
      const read = await space.view(flat, parameter).read();
      bits[`${kind} ${parameter.name}`] = Buffer.from(read.buffer, read.byteOffset, read.byteLength).toString(
        'hex',
      );
    }
  }
  return bits;
}
