/** vLLM's limit: dividing by less only overflows. */
export const GREEDY_BELOW = 1e-5;
