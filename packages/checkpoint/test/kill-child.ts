/*
 * Saves one training state after the other until it is killed. Arguments: root, first step, ranks.
 * Prints each step that is safe.
 */
import { writeSync } from 'node:fs';
import { saveTrainingState, saveTrainingStateByRanks } from '@cria/checkpoint';
import { fillSteps, killConfig } from './kill-state.ts';
import { cutsOf, groupsOf, rankState } from './rank-states.ts';

const [root = '', first = '1', ranks = '1'] = process.argv.slice(2);
for (let step = Number(first); ; step++) {
  const parameters = await fillSteps(step);
  const keep = { keepLast: 2 };
  if (ranks === '1')
    await saveTrainingState(root, { step, parameters, config: killConfig, counters: { step } }, keep);
  else {
    const cuts = cutsOf(parameters.size, Number(ranks));
    const { groups } = groupsOf(Number(ranks));
    await Promise.all(
      groups.map(async (group) => {
        const state = await rankState(step, parameters, cuts[group.rank]!, killConfig);
        return saveTrainingStateByRanks(root, state, group, keep);
      }),
    );
  }
  parameters.device[Symbol.dispose]();
  writeSync(1, `${step}\n`);
}
