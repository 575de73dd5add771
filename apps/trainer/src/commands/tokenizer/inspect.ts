import { writeFileSync } from 'node:fs';
import { loadTokenizer } from '@cria/tokenizer/node';
import { command } from '../../command.ts';
import { bytesPerToken, figuresOf, formOf, histogramOf, pieceKinds, sampleTexts } from './figures.ts';
import { inputFlags, textsOf } from './input.ts';
import { tokenizerPage } from './page.ts';

const VERB = 'tokenizer inspect';

/** What a vocabulary holds and how it cuts texts, in the terminal or as one page. */
export const tokenizerInspect = command({
  summary: 'show a vocabulary and how it cuts texts',
  usage: 'cria tokenizer inspect --tokenizer tokenizer.model [--against other] [--html page.html] [FILE …]',
  flags: {
    ...inputFlags,
    against: { takes: 'text', value: 'FILE', help: 'another tokenizer to compare with' },
    html: {
      takes: 'text',
      value: 'FILE',
      help: 'write one page: texts with tokens coloured, histogram, comparison',
    },
  },
  async run({ values, words }, { out }) {
    const tokenizer = await loadTokenizer(values.tokenizer);
    const other = values.against === undefined ? undefined : await loadTokenizer(values.against);
    // Without texts of the user's: some of several kinds, which show what a vocabulary is good at.
    const own = values.text !== undefined || words.length > 0;
    const texts = own ? textsOf(VERB, values.text, words) : sampleTexts;
    const named = [
      { name: nameOf(values.tokenizer), tokenizer },
      ...(other === undefined ? [] : [{ name: nameOf(values.against ?? ''), tokenizer: other }]),
    ];
    for (const { name, tokenizer: each } of named) {
      const { counts, longest } = histogramOf(each);
      const kinds = pieceKinds
        .map((kind) => [kind, counts.get(kind)!.reduce((sum, n) => sum + n, 0)] as const)
        .filter(([, n]) => n > 0)
        .map(([kind, n]) => `${n} ${kind}`);
      out.write(`${name}\n`);
      out.write(
        `  form          ${formOf(each)}, ${each.vocabSize} ids, ${each.specialTokens.size} special\n`,
      );
      out.write(`  BOS, EOS      ${special(each, each.bosId)}, ${special(each, each.eosId)}\n`);
      out.write(`  pieces        ${kinds.join(', ')}\n`);
      out.write(
        `  longest       ${longest
          .slice(0, 5)
          .map((piece) => JSON.stringify(piece))
          .join(' ')}\n`,
      );
      out.write(`  fingerprint   ${each.fingerprint}\n`);
    }
    // A row a text, a column a tokenizer.
    const figures = named.map(({ tokenizer: each }) => figuresOf(each, texts));
    const width = Math.max(5, ...texts.map(({ name }) => name.length));
    const row = (name: string, cells: readonly number[]): string =>
      `${name.padEnd(width)}  ${cells.map((cell) => cell.toFixed(2).padStart(6)).join('  ')}\n`;
    out.write('bytes per token\n');
    texts.forEach(({ name }, i) =>
      out.write(
        `  ${row(
          name,
          figures.map((list) => bytesPerToken([list[i]!])),
        )}`,
      ),
    );
    if (texts.length > 1) out.write(`  ${row('all', figures.map(bytesPerToken))}`);
    if (values.html !== undefined) {
      writeFileSync(values.html, tokenizerPage(named, texts));
      out.write(`${values.html}\n`);
    }
  },
});

/** A special token with its id. */
function special(tokenizer: { idToPiece(id: number): string }, id: number | undefined): string {
  return id === undefined ? 'none' : `${tokenizer.idToPiece(id)} (${id})`;
}

/** The last two parts of a path: `llama-2/tokenizer.model`. */
function nameOf(path: string): string {
  return path.split(/[\\/]/).filter(Boolean).slice(-2).join('/');
}
