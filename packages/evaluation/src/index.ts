export { type Perplexity, perplexity } from './perplexity.ts';
