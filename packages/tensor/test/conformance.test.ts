import { reference } from '@cria/tensor';
import { describeDevice } from '@cria/tensor/conformance';

const blocks = ['q4_0', 'q4_1', 'q5_0', 'q5_1', 'q8_0', 'q2_k', 'q3_k', 'q4_k', 'q5_k', 'q6_k'] as const;

describeDevice('reference', () => reference(), { dtypes: ['f32', 'f64', 'bf16'], weights: ['f32', 'bf16'] });
describeDevice('reference in half precision', () => reference(), {
  dtypes: ['f16'],
  only: /: (linear|rms|att|cast)/,
});
describeDevice('reference with block formats', () => reference(), {
  dtypes: ['f32'],
  weights: blocks,
  only: /linear.*q\d_|linear f32/,
});
