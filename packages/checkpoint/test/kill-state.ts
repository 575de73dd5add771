import { llamaConfig } from '@cria/layers';
import { ParameterSpace, reference } from '@cria/tensor';

/** Large enough that most of a save is writing. */
export const killConfig = llamaConfig({
  dim: 64,
  nLayers: 2,
  nHeads: 4,
  ffnDim: 192,
  vocabSize: 512,
  contextLength: 64,
});

/** A space whose values and moments are functions of the step. */
export async function fillSteps(step: number | undefined): Promise<ParameterSpace> {
  const space = new ParameterSpace(reference());
  for (const [name, shape] of killShapes()) space.add(name, shape, { init: { constant: 0 }, decay: true });
  space.allocate({ states: ['exp_avg', 'exp_avg_sq'] });
  if (step === undefined) return space;
  for (const [i, flat] of [
    space.valueMemory,
    ...space.stateNames.map((name) => space.states.get(name)),
  ].entries()) {
    for (const parameter of space.parameters) {
      const view = space.view(flat, parameter);
      view.write(new Float32Array(view.size).fill(step * 1000 + i * 100 + (view.size % 97)));
    }
  }
  return space;
}

function killShapes(): [string, number[]][] {
  const { dim: D, ffnDim: F, vocabSize: V } = killConfig;
  const layer = (i: number): [string, number[]][] => [
    [`layers.${i}.attention_norm.weight`, [D]],
    ...['wq', 'wk', 'wv', 'wo'].map((part): [string, number[]] => [
      `layers.${i}.attention.${part}.weight`,
      [D, D],
    ]),
    [`layers.${i}.ffn_norm.weight`, [D]],
    [`layers.${i}.feed_forward.w1.weight`, [F, D]],
    [`layers.${i}.feed_forward.w2.weight`, [D, F]],
    [`layers.${i}.feed_forward.w3.weight`, [F, D]],
  ];
  return [
    ['tok_embeddings.weight', [V, D]],
    ...layer(0),
    ...layer(1),
    ['norm.weight', [D]],
    ['output.weight', [V, D]],
  ];
}
