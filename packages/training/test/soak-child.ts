/*
 * node --expose-gc soak-child.ts STEPS [FOLDER]: trains the tiny run, evaluating and saving now and
 * then; prints the memory in use, after collection, every hundred steps.
 */
import { openDevice } from '@cria/cpu';
import { Trainer } from '../src/index.ts';
import { tinyData, tinyOptions } from './tiny.ts';

const totalSteps = Number(process.argv[2]);
using device = openDevice().device;
using trainer = await Trainer.open(
  tinyOptions({
    device,
    totalSteps,
    validation: tinyData,
    evaluateEvery: 20,
    saveEvery: 50,
    ...(process.argv[3] === undefined ? {} : { checkpoints: process.argv[3] }),
    onEvent: (event) => {
      if (event.type !== 'step' || event.step % 100 !== 0) return;
      for (let i = 0; i < 3; i++) globalThis.gc!();
      const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
      process.stdout.write(
        `${JSON.stringify({ step: event.step, heapUsed, external, arrayBuffers, rss })}\n`,
      );
    },
  }),
);
await trainer.run();
