/* Saves one training state after the other until it is killed. Arguments: root, first step. Prints each step that is safe. */
import { writeSync } from 'node:fs';
import { saveTrainingState } from '@cria/checkpoint';
import { fillSteps, killConfig } from './kill-state.ts';

const [root = '', first = '1'] = process.argv.slice(2);
for (let step = Number(first); ; step++) {
  const parameters = await fillSteps(step);
  await saveTrainingState(
    root,
    { step, parameters, config: killConfig, counters: { step } },
    { keepLast: 2 },
  );
  parameters.device[Symbol.dispose]();
  writeSync(1, `${step}\n`);
}
