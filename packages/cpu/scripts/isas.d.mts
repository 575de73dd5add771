export interface IsaBuild {
  /** `process.arch` of the processors that may have it. */
  readonly arch: readonly string[];
  readonly flags: readonly string[];
  /** Others whose tables it starts from. */
  readonly needs: readonly string[];
  /** Instructions that are written as assembly, which the assembler must know. */
  readonly probe?: string;
}
/** Longest to compile first. */
export const isas: Readonly<Record<string, IsaBuild>>;
/** Instruction sets of processors of this kind (`process.arch`). */
export function isasOf(arch: string): string[];
/** Which of them the compiler can make, and why not the others. */
export function knownTo(
  compiler: string,
  wanted: readonly string[],
): { known: string[]; leftOut: Record<string, string> };
/** The instruction sets that this processor's own table of kernels is made of, by what the compiler sees of it. */
export function ownIsas(compiler: string): string[];
/** The instruction sets that this processor can run, by what the compiler sees of it. */
export function runnableIsas(compiler: string): string[];
