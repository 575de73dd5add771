import { scaleByTemperature } from '@cria/tensor';
import type { Stage } from './stage.ts';

/** score /= temperature                                                     temperature > 0 */
export function temperature(value: number): Stage | undefined {
  return value === 1 ? undefined : (scores) => scaleByTemperature(scores, value);
}
