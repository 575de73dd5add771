import { describeIsa } from './support/conformance.ts';

// All else is what neon runs.
describeIsa('neondot', /linear|embedding/);
