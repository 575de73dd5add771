import { cpuAvailability, type IsaName } from '../../src/index.ts';

const { isas } = cpuAvailability();
const all = process.env['CRIA_HEAVY'] !== undefined;

/**
 * Whether tests take all shapes for an instruction set: for this processor's own table of kernels,
 * and in `npm run test:isas` for the others too.
 */
export const takesAllShapes = (isa: IsaName): boolean => all || isa === isas[0];

/** The instruction sets of this processor, its own first, and whether each takes all shapes. */
export const isasAndShapes = isas.map((isa) => [isa, takesAllShapes(isa)] as const);
