import { readFileSync } from 'node:fs';
import { serveDesk } from '../src/chat/desk-thread.ts';
import { byteTokenizer } from '../../../scripts/support/byte-tokenizer.ts';

/** Templates by the name of the model: `name` of `--model name`. */
const templates: Readonly<Record<string, string>> = {
  endless: '{% for i in range(90000) %}{% for j in range(90000) %}x{% endfor %}{% endfor %}',
  refusing: "{{ raise_exception('no system message here') }}",
};
const file = (name: string) => readFileSync(new URL(`./templates/${name}.jinja`, import.meta.url), 'utf8');

/** Byte tokens beside a few that a chat needs. */
const tokenizer = {
  ...byteTokenizer,
  encodeParts: (parts: readonly (string | number)[]) =>
    Int32Array.from(
      parts.flatMap((part) => (typeof part === 'number' ? [part] : [...byteTokenizer.encode(part)])),
    ),
};

// The thread with the tokenizer and the chat template of the tests' tiny model, which has ChatML's
// template unless its name says otherwise: `plain` has none.
await serveDesk(({ model }) =>
  Promise.resolve({
    tokenizer,
    chatTemplate:
      model === 'plain' ? undefined : (templates[model] ?? file(model === 'thinking' ? model : 'hermes')),
  }),
);
