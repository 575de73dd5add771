import type { Kernels, SampleRow } from '@cria/tensor';
import { computeCode, type Encoder, f32, integers } from './encoder.ts';
import * as commands from './generated/commands.ts';

/**
 * What chooses tokens: only ids and the log-probabilities that were asked for are read by the host.
 */
export function sampleKernels(encoder: Encoder): Pick<Kernels, 'sample' | 'logProbabilities'> {
  return {
    sample(ids, logits, rows, { seen, times, masks, vocabulary = logits.columns } = {}) {
      const given = {
        ids: integers(ids),
        logits,
        seen: seen && integers(seen),
        times: times && integers(times),
        masks: masks && integers(masks),
        rows: logits.rows,
        columns: logits.columns,
        vocabulary,
        settings: rows.flatMap(settingsOf),
      };
      commands.sample(encoder.list, given, computeCode(logits));
    },
    logProbabilities(chosen, logits, ids, { ranks, top, vocabulary = logits.columns } = {}) {
      const most = top?.ids.columns ?? 0;
      const given = {
        chosen: f32(chosen),
        ranks: ranks && integers(ranks),
        topIds: top && most > 0 ? integers(top.ids) : undefined,
        topValues: top && most > 0 ? f32(top.values) : undefined,
        logits,
        ids: integers(ids),
        rows: logits.rows,
        columns: logits.columns,
        vocabulary,
        most,
      };
      commands.logProbabilities(encoder.list, given, computeCode(logits));
    },
  };
}

/** In the order of `Settings` in cpp/kernels/sample/choose.h. */
function settingsOf(row: SampleRow): number[] {
  return [
    row.temperature,
    row.topK,
    row.topP,
    row.minP > 0 ? Math.log(row.minP) : -Infinity,
    row.temperatureLast ? 1 : 0,
    row.repetitionPenalty,
    row.presencePenalty,
    row.frequencyPenalty,
    row.firstSeen,
    row.endSeen,
    row.mask,
    row.u,
  ];
}
