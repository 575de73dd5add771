import { describeIsa } from './support/conformance.ts';

describeIsa('neon');
