import { availableParallelism } from 'node:os';
import { describeDevice } from '@cria/tensor/conformance';
import { wasm } from '../src/wasm.ts';
import { built } from './support/wasm.ts';

const all = process.env['CRIA_HEAVY'] !== undefined; // npm run test:isas
const usual = Math.min(2, availableParallelism());

describeDevice('cpu wasm', ({ threads = usual } = {}) => (built ? wasm({ threads }) : undefined), {
  threads: all ? [1, 3] : [3],
  shapes: all ? 'all' : 'one',
  weights: ['bf16', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'],
});
