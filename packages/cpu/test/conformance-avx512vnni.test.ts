import { describeIsa } from './support/conformance.ts';

// All else is what avx512 runs.
describeIsa('avx512vnni', /linear|embedding/);
