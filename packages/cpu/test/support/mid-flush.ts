// Run as a program: mid-flush.ts FILE HOW. Computes for ever beside the event loop and writes into
// the mapped file; says so once work is under way, then waits to be killed, or ends by itself.
import { Tensor } from '@cria/tensor';
import { cpu } from '@cria/cpu';

const [file = '', how] = process.argv.slice(2);
const device = cpu({ threads: 3, background: true });
const mapped = new Tensor(device, 'f32', [1 << 18], { storage: device.mapFile(file, 0, 1 << 20), offset: 0 });
const [x, w, y] = [
  device.empty([512, 1024], 'f32'),
  device.empty([1024, 1024], 'f32'),
  device.empty([512, 1024], 'f32'),
];
/** One flush after the other, each some tens of milliseconds. */
function compute(): void {
  for (let i = 0; i < 8; i++) {
    device.kernels.add(mapped, mapped, mapped);
    device.kernels.linear(y, x, w);
  }
  void device.flush().then(compute);
}
compute();
process.stdout.write('running\n');
if (how === 'exit') setTimeout(() => process.exit(3), 20);
else setInterval(() => {}, 1000);
