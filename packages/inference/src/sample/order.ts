import { nearestName } from '@cria/tensor';
import { invalidField, RequestError } from '../request-error.ts';

/** What may be put in order. Masks and biases always come first, the draw last. */
export const samplerNames = [
  'penalties',
  'dry',
  'topNSigma',
  'temperature',
  'topK',
  'topP',
  'minP',
  'typicalP',
  'xtc',
] as const;
export type SamplerName = (typeof samplerNames)[number];
export type SamplerOrder = keyof typeof samplerOrders | readonly SamplerName[];

/**
 * Orders that have a name: they differ in what the truncating samplers see, scores before or after
 * the temperature.
 */
export const samplerOrders = {
  huggingface: samplerNames,
  'llama.cpp': ['penalties', 'dry', 'topNSigma', 'topK', 'typicalP', 'topP', 'minP', 'xtc', 'temperature'],
} as const satisfies Readonly<Record<string, readonly SamplerName[]>>;

/** Nobody has a use for more, and each may walk through the whole vocabulary. */
const MOST_SAMPLERS = 2 * samplerNames.length;

/** @throws RequestError that names what is no sampler and no order */
export function checkOrder(op: string, order: SamplerOrder): readonly SamplerName[] {
  const given: unknown = order;
  const named = Object.entries(samplerOrders).find(([name]) => name === given)?.[1];
  if (named) return named;
  if (!Array.isArray(given) || given.length > MOST_SAMPLERS) {
    const what = `${Object.keys(samplerOrders).join(', ')}, or a list of up to ${MOST_SAMPLERS} samplers`;
    throw invalidField(op, 'samplers', given, what);
  }
  for (const name of given as unknown[]) {
    if (samplerNames.some((each) => each === name)) continue;
    const nearest = typeof name === 'string' ? nearestName(name, samplerNames) : undefined;
    const hint = nearest ? `did you mean "${nearest}"?` : `samplers are ${samplerNames.join(', ')}`;
    throw new RequestError('invalid_request', op, `samplers has ${JSON.stringify(name)}.`, {
      hint,
      param: 'samplers',
    });
  }
  return given as SamplerName[]; // each was looked at
}
