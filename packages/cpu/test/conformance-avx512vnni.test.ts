import { describeIsa } from './support/conformance.ts';

describeIsa('avx512vnni');
