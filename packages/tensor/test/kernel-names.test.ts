import { expect, test } from 'vitest';
import { checkKernels, kernelNames, type Kernels, reference } from '@cria/tensor';
import { kernelCases } from '../src/conformance/cases/index.ts';

test('a device that lacks kernels is refused when they are first wanted, by their names', () => {
  using device = reference();
  const nothing = () => {};
  const kernels: Record<string, unknown> = Object.fromEntries(kernelNames.map((name) => [name, nothing]));
  expect(Object.keys(checkKernels(device, kernels as unknown as Kernels)).sort()).toEqual(
    [...kernelNames].sort(),
  );
  delete kernels['swiglu'];
  kernels['adamw'] = undefined;
  expect(() => checkKernels(device, kernels as unknown as Kernels)).toThrow(
    '[reference] the device has no kernels for swiglu, adamw.',
  );
});

test('the conformance suite has cases for every kernel', () => {
  const covered = new Set(kernelCases({ weights: ['f32'] }).map(({ kernel }) => kernel));
  // `linears` is held to the bits of `linear` (invariance.ts), which is more than a case asks.
  const wanted = kernelNames.filter((name) => name !== 'linears');
  expect([...covered].sort()).toEqual([...wanted].sort());
});
