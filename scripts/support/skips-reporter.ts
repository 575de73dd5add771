import type { Reporter, TestModule } from 'vitest/node';
import type { UserConsoleLog } from 'vitest';

/**
 * Counts what was skipped and prints it at the end of a run, by file, with the reasons: the notes
 * of `skip('why')`, and the lines with the word "skipped" that test files print where they look for
 * what they need.
 */
export class SkipsReporter implements Reporter {
  readonly #said = new Set<string>();

  onUserConsoleLog({ content }: UserConsoleLog): void {
    for (const line of content.split('\n')) if (/\bskipped\b/.test(line)) this.#said.add(line.trim());
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const lines = skipsOf(modules, this.#said);
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
  }
}

/** The lines of the report; none where nothing was skipped. */
export function skipsOf(modules: readonly TestModule[], said: ReadonlySet<string>): string[] {
  let total = 0;
  const files: string[] = [];
  for (const module of modules) {
    const tests = [...module.children.allTests('skipped')];
    if (tests.length === 0) continue;
    total += tests.length;
    const notes = new Set(tests.flatMap((test) => noteOf(test.result()) ?? []));
    files.push(
      `  ${module.relativeModuleId}: ${tests.length}${notes.size > 0 ? ` (${[...notes].join('; ')})` : ''}`,
    );
  }
  if (total === 0) return [];
  const reasons = [...said].sort().map((line) => `  because: ${line}`);
  return [`skipped tests: ${total}, by file`, ...files.sort(), ...reasons];
}

const noteOf = (result: object): string | undefined =>
  'note' in result && typeof result.note === 'string' ? result.note : undefined;
