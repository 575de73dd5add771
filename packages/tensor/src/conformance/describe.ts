import { afterAll, describe, test } from 'vitest';
import { checkOptions } from '../errors.ts';
import type { Check, ConformanceOptions, CreateDevice, Subject } from './checks.ts';
import { commandChecks } from './commands.ts';
import { invarianceChecks, splitChecks } from './invariance.ts';
import { kernelChecks, threadChecks } from './kernel-checks.ts';
import { packingChecks } from './packing.ts';
import { partValueChecks, specialValueChecks } from './special-values.ts';

/**
 * The conformance suite, as vitest tests: every kernel against the reference device, in every dtype
 * the device claims, and what the contract promises about bits, commands and memory. Skipped where
 * `create` gives nothing.
 */
export function describeDevice(name: string, create: CreateDevice, options: ConformanceOptions = {}): void {
  const device = create();
  if (!device) {
    describe.skip(`${name} (skipped: this machine has no such device)`, () => test('conformance', () => {}));
    return;
  }
  describe(name, () => {
    afterAll(() => device[Symbol.dispose]());
    for (const [group, checks] of groupsOf(checksFor(device, create, options))) {
      describe(group, () => {
        for (const check of checks) test(check.name, check.run);
      });
    }
  });
}

/** Runs the whole suite without a test runner; one line a failed check, nothing where the device conforms. */
export async function conformanceFailures(
  create: CreateDevice,
  options: ConformanceOptions = {},
): Promise<string[]> {
  using device = create();
  if (!device) return ['no device could be made'];
  const failures: string[] = [];
  for (const { group, name, run } of checksFor(device, create, options)) {
    try {
      await run();
    } catch (error) {
      failures.push(`${group}: ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return failures;
}

function checksFor(device: Subject['device'], create: CreateDevice, options: ConformanceOptions): Check[] {
  checkOptions('conformance', options, ['threads', 'weights', 'dtypes', 'shapes', 'only']);
  const subject: Subject = {
    device,
    create,
    dtypes: options.dtypes ?? [...device.computeDTypes],
    weights: options.weights ?? [],
    threads: options.threads ?? [],
    shapes: options.shapes ?? 'all',
  };
  const checks = [
    ...kernelChecks(subject),
    ...specialValueChecks(subject),
    ...partValueChecks(subject),
    ...threadChecks(subject),
    ...invarianceChecks(subject),
    ...splitChecks(subject),
    ...packingChecks(subject),
    ...commandChecks(subject),
  ];
  const { only } = options;
  return only ? checks.filter(({ group, name }) => only.test(`${group}: ${name}`)) : checks;
}

function groupsOf(checks: readonly Check[]): Map<string, Check[]> {
  const groups = new Map<string, Check[]>();
  for (const check of checks) groups.set(check.group, [...(groups.get(check.group) ?? []), check]);
  return groups;
}
