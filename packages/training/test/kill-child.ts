/*
 * node kill-child.ts DTYPE STEPS [FOLDER]: trains the tiny run so many steps in the folder, saving
 * after every update, and prints the losses and, at the end, a hash of the weights.
 */
import { createHash } from 'node:crypto';
import { type ComputeDType, reference } from '@cria/tensor';
import { Trainer } from '../src/index.ts';
import { tinyOptions } from './tiny.ts';

const [dtype, steps, folder] = process.argv.slice(2);
using device = reference();
using trainer = await Trainer.open(
  tinyOptions({
    device,
    dtype: dtype as ComputeDType,
    totalSteps: Number(steps),
    saveEvery: 1,
    ...(folder === undefined ? {} : { checkpoints: folder }),
    onEvent: (event) => {
      if (event.type === 'step') process.stdout.write(`step ${event.step} ${event.loss}\n`);
      if (event.type === 'resumed') process.stdout.write(`resumed ${event.step}\n`);
    },
  }),
);
await trainer.run();
const { valueMemory, stateNames, states } = trainer.model.parameters;
const hash = createHash('sha256');
for (const flat of [valueMemory, ...stateNames.map((name) => states.get(name))])
  hash.update(await flat.whole.read());
process.stdout.write(`weights ${hash.digest('hex')}\n`);
