// A rank of a tensor-parallel model as a thread: trains one step, generates with recorded steps,
// and sends all numbers to its parent. Alone, it is what the ranks are compared with.
import { parentPort, workerData } from 'node:worker_threads';
import { cpu } from '@cria/cpu';
import { openStep, type ParameterPart, type Recompute, reference } from '@cria/tensor';
import { Llama, type LlamaConfig } from '../../src/index.ts';
import { TestCache } from './paged-cache.ts';
import { type Meeting, RankGroup } from './rank-group.ts';
import { localHeads, tensorParallel } from './tensor-parallel.ts';

export interface RankTask {
  readonly device: 'reference' | 'cpu';
  readonly config: LlamaConfig;
  readonly recompute: Recompute;
  readonly ids: readonly number[];
  readonly targets: readonly number[];
  /** Of the rows' losses; default 1 each. */
  readonly weights?: readonly number[];
  /** Whether embedding, head and loss are cut among the ranks too. */
  readonly vocabulary: boolean;
  readonly rank: number;
  /** Absent: the whole model in one thread. */
  readonly meeting?: Meeting;
}

export interface RankNumbers {
  readonly losses: readonly number[];
  readonly parameters: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly part: ParameterPart | undefined;
    readonly values: readonly number[];
    readonly gradient: readonly number[];
  }[];
  /** Of all tokens at once, then of every token generated one by one. */
  readonly logits: readonly number[];
  /** All-reduces of the training step. */
  readonly reductions: number;
  /** Steps of generation that encoded nothing. */
  readonly repeated: number;
}

async function run(task: RankTask): Promise<RankNumbers> {
  const { config, recompute, ids, targets, rank, meeting, vocabulary } = task;
  const group = meeting && new RankGroup(rank, meeting);
  const dtype = task.device === 'cpu' ? 'f32' : 'f64';
  using device = task.device === 'cpu' ? cpu({ threads: 2 }) : reference();
  using model = new Llama(config, { device, ...(group && { factories: tensorParallel(group, vocabulary) }) });
  model.parameters.allocate({ dtype, gradients: true });
  model.parameters.initialize(7);
  const values = await Promise.all(model.parameters.parameters.map(({ value }) => value.read()));
  const losses = await (async () => {
    using step = openStep(device, {
      rows: ids.length,
      dtype,
      training: true,
      recompute,
      segments: [0, 3, ids.length],
    });
    const weights = task.weights && device.tensor(task.weights, [ids.length], dtype);
    const losses = model.loss(model.tokens(ids, step), model.targets(targets, step), step, weights);
    model.backward(step);
    return [...(await losses.read())];
  })();
  const reductions = group?.log.length ?? 0;
  const whole = await (async () => {
    using step = openStep(device, { rows: ids.length, dtype });
    return [...(await model.logits(model.forward(model.tokens(ids, step), step), step).read())];
  })();
  const cache = new TestCache(device, group ? localHeads(config, group) : config, 1);
  const logits: number[] = [];
  let repeated = 0;
  for (const token of ids) {
    const before = group?.log.length ?? 0;
    using step = openStep(device, {
      rows: 1,
      dtype,
      cache: cache.append([{ sequence: 0, tokens: [token] }]),
    });
    logits.push(...(await model.predict([token], step).read()));
    if (group && group.log.length === before) repeated++;
  }
  const parameters = await Promise.all(
    model.parameters.parameters.map(async ({ name, shape, part, grad }, i) => ({
      name,
      shape,
      part,
      values: [...values[i]!],
      gradient: [...(await grad.read())],
    })),
  );
  return { losses, parameters, logits: [...whole, ...logits], reductions, repeated };
}

parentPort!.postMessage(await run(workerData as RankTask));
