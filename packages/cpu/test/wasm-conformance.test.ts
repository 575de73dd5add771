import { availableParallelism } from 'node:os';
import { describeDevice } from '@cria/tensor/conformance';
import { wasm } from '../src/wasm.ts';
import { built } from './support/wasm.ts';

const usual = Math.min(2, availableParallelism());

describeDevice('cpu wasm', ({ threads = usual } = {}) => (built ? wasm({ threads }) : undefined), {
  threads: [1, 3],
  weights: ['bf16', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'],
});
