import { describeIsa } from './support/conformance.ts';

describeIsa('avx512bf16');
