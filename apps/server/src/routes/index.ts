import type { Route } from '../http/route.ts';
import { applyTemplate } from './apply-template.ts';
import { chatCompletions } from './chat-completions.ts';
import { completions } from './completions.ts';
import { embeddings } from './embeddings.ts';
import { health, ready } from './health.ts';
import { metrics } from './metrics.ts';
import { model, models } from './models.ts';
import { openapi } from './openapi.ts';
import { props } from './props.ts';
import { slots } from './slots.ts';
import { detokenize, tokenize } from './tokenize.ts';

/** Every endpoint but the page: a new one is a file here and an entry of this list. */
export const routes: readonly Route[] = [
  completions,
  chatCompletions,
  embeddings,
  applyTemplate,
  models,
  model,
  tokenize,
  detokenize,
  props,
  slots,
  health,
  ready,
  metrics,
  openapi,
];
