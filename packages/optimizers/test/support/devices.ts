import { type Device, reference } from '@cria/tensor';

/** Every device of this machine, to run a suite once for each: `describe.each(devices)`. */
export const devices: { readonly name: string; readonly open: () => Device }[] = [
  { name: 'reference', open: () => reference() },
];

const native: { readonly cpu?: () => Device } = await import('@cria/cpu');
if (native.cpu) {
  const open = native.cpu;
  try {
    open()[Symbol.dispose]();
    devices.push({ name: 'cpu', open });
  } catch (error) {
    console.log(`optimizers: no tests on the native device: ${(error as Error).message}`);
  }
} else {
  console.log('optimizers: no tests on the native device: @cria/cpu has none yet');
}
