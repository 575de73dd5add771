/**
 * One page about a tokenizer: texts with their tokens coloured, the vocabulary's histogram, bytes
 * per token beside another's. No file or network is needed to show it.
 */
import {
  bytesPerToken,
  figuresOf,
  formOf,
  histogramOf,
  pieceKinds,
  type PieceKind,
  type TextFigures,
} from './figures.ts';
import type { AnyTokenizer, NamedText } from './input.ts';
import { pageScript, pageStyle } from './page-style.ts';
import { colouredText } from './spans.ts';

/** A tokenizer with what the page calls it. */
export interface NamedTokenizer {
  readonly name: string;
  readonly tokenizer: AnyTokenizer;
}

/** So much of every text is shown; the figures count all of it. */
const SHOWN = 12_000;

/** The first tokenizer is the one that is shown, a second one what it is compared with. */
export function tokenizerPage(tokenizers: readonly NamedTokenizer[], texts: readonly NamedText[]): string {
  const [first] = tokenizers;
  const title = `${first?.name ?? ''}: tokenizer`;
  const figures = tokenizers.map(({ tokenizer }) => figuresOf(tokenizer, texts));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
<body>
<header>
<h1>${escapeHtml(first?.name ?? '')}</h1>
${tokenizers.map((entry, i) => factsLine(entry, figures[i] ?? [], i)).join('\n')}
</header>
<main>
<section>
<h2>Texts in tokens</h2>
<p class="note">Every coloured piece is one token; point at it or use the arrow keys to see its id and bytes.
A dotted edge marks a character of several tokens.</p>
${tokenizers.length > 1 ? tabs(tokenizers) : ''}
${tokenizers.map((entry, i) => panel(entry, texts, figures[i] ?? [], i)).join('\n')}
</section>
<section>
<h2>Vocabulary</h2>
${tokenizers.map((entry) => histogram(entry)).join('\n')}
</section>
<section>
<h2>Bytes per token</h2>
<p class="note">More is better: the same text in fewer tokens.</p>
${comparison(tokenizers, figures)}
</section>
</main>
<footer id="detail" aria-live="polite"><span class="hint">Point at a token.</span></footer>
<script>${pageScript}</script>
</body>
</html>
`;
}

/** Form, size and figures in one line; the second tokenizer says that it is the other. */
function factsLine(
  { name, tokenizer }: NamedTokenizer,
  figures: readonly TextFigures[],
  index: number,
): string {
  const facts = [
    formOf(tokenizer),
    `${tokenizer.vocabSize.toLocaleString('en')} ids`,
    `${tokenizer.specialTokens.size} special`,
    `${bytesPerToken(figures).toFixed(2)} bytes per token`,
  ];
  const lead = index === 0 ? '' : `<b>against ${escapeHtml(name)}</b> · `;
  const code = `<code>${tokenizer.fingerprint.slice(0, 12)}</code>`;
  return `<p class="facts">${lead}${facts.map(escapeHtml).join(' · ')} · ${code}</p>`;
}

/** Which tokenizer cuts the texts that are shown. */
function tabs(tokenizers: readonly NamedTokenizer[]): string {
  const buttons = tokenizers.map(
    ({ name }, i) =>
      `<button role="tab" aria-selected="${i === 0}" data-panel="panel-${i}">${escapeHtml(name)}</button>`,
  );
  return `<div class="tabs" role="tablist">${buttons.join('')}</div>`;
}

/** All texts as one tokenizer cuts them. Half a character at the cut is left out. */
function panel(
  { tokenizer }: NamedTokenizer,
  texts: readonly NamedText[],
  figures: readonly TextFigures[],
  index: number,
): string {
  const blocks = texts.map(({ name, text }, i) => {
    const shown = text.slice(0, SHOWN).replace(/[\ud800-\udbff]$/, '');
    const { bytes, tokens } = figures[i] ?? { bytes: 0, tokens: 0 };
    const cut =
      shown.length < text.length ? `, the first ${shown.length.toLocaleString('en')} characters shown` : '';
    const size = `${tokens.toLocaleString('en')} tokens, ${bytes.toLocaleString('en')} bytes${cut}`;
    return `<article><h3>${escapeHtml(name)} <small>${size}</small></h3>
<div class="text" dir="auto">${colouredText(tokenizer, shown)}</div></article>`;
  });
  return `<div id="panel-${index}" role="tabpanel"${index === 0 ? '' : ' hidden'}>${blocks.join('\n')}</div>`;
}

// The histogram, in units of its view box: height of the tallest bar, a bar, the gap beside it,
// room for the axis.
const HEIGHT = 200;
const BAR = 30;
const GAP = 6;
const LEFT = 58;

/** Bars of pieces by length, stacked by kind. */
function histogram({ name, tokenizer }: NamedTokenizer): string {
  const { counts, columns, longest } = histogramOf(tokenizer);
  const totals = Array.from({ length: columns }, (_, i) =>
    pieceKinds.reduce((sum, kind) => sum + (counts.get(kind)?.[i] ?? 0), 0),
  );
  const step = niceStep(Math.max(...totals) / 4);
  const top = Math.max(step, Math.ceil(Math.max(...totals) / step) * step);
  const y = (value: number): number => HEIGHT - (value / top) * HEIGHT;
  const width = LEFT + columns * (BAR + GAP) + GAP;
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step).map(
    (value) =>
      `<line class="grid" x1="${LEFT}" x2="${width}" y1="${y(value)}" y2="${y(value)}"/><text ` +
      `class="axis" x="${LEFT - 8}" y="${y(value) + 4}" ` +
      `text-anchor="end">${value.toLocaleString('en')}</text>`,
  );
  const bars = totals.map((total, i) => {
    const x = LEFT + GAP + i * (BAR + GAP);
    let below = 0;
    const parts = pieceKinds.map((kind) => {
      const count = counts.get(kind)?.[i] ?? 0;
      if (count === 0) return '';
      const from = y(below);
      below += count;
      const [some, all] = [count.toLocaleString('en'), total.toLocaleString('en')];
      return (
        `<rect class="${classOf(kind)}" x="${x}" width="${BAR}" y="${y(below)}" height="${from - y(below)}">` +
        `<title>${lengthName(i, columns)}: ${some} ${kind}, ${all} in all</title></rect>`
      );
    });
    const label = i + 1 === columns ? `${columns}+` : i + 1;
    const place = `x="${x + BAR / 2}" y="${HEIGHT + 18}" text-anchor="middle"`;
    return `${parts.join('')}<text class="axis" ${place}>${label}</text>`;
  });
  const legend = pieceKinds
    .map((kind) => [kind, counts.get(kind)?.reduce((sum, n) => sum + n, 0) ?? 0] as const)
    .filter(([, count]) => count > 0)
    .map(
      ([kind, count]) =>
        `<li><i class="${classOf(kind)}"></i>${kind} <b>${count.toLocaleString('en')}</b></li>`,
    );
  const pieces = longest.map((piece) => `<code>${escapeHtml(piece.replaceAll(' ', '␣'))}</code>`);
  return `<figure><figcaption>${escapeHtml(name)}: pieces by length in bytes</figcaption>
<svg viewBox="0 -10 ${width} ${HEIGHT + 38}" role="img" aria-label="Histogram of piece lengths">
${lines.join('')}${bars.join('')}</svg>
<ul class="legend">${legend.join('')}</ul>
<p class="note">Longest: ${pieces.join(' ')}</p></figure>`;
}

/** Bytes per token of each text and of all together, with the gain where there are two tokenizers. */
function comparison(
  tokenizers: readonly NamedTokenizer[],
  figures: readonly (readonly TextFigures[])[],
): string {
  const [own = []] = figures;
  const names = [...own.map(({ name }) => name), ...(own.length > 1 ? ['all together'] : [])];
  const values = names.map((_, row) =>
    figures.map((list) => bytesPerToken(row < list.length ? list.slice(row, row + 1) : list)),
  );
  const most = Math.max(...values.flat(), 1);
  const rows = names.map((name, row) => {
    const cells = (values[row] ?? []).map(
      (value, i) =>
        `<div class="bar by-${i}" style="width:${((value / most) * 100).toFixed(2)}%"></div><span ` +
        `class="value">${value.toFixed(2)}</span>`,
    );
    const [mine = 0, theirs] = values[row] ?? [];
    const gain =
      theirs === undefined
        ? ''
        : `<td class="gain">${mine >= theirs ? '+' : '−'}${Math.abs((mine / theirs - 1) * 100).toFixed(0)} %</td>`;
    const kind = row >= own.length ? ' class="total"' : '';
    const bars = cells.map((cell) => `<div class="line">${cell}</div>`).join('');
    return `<tr${kind}><th scope="row">${escapeHtml(name)}</th><td class="bars">${bars}</td>${gain}</tr>`;
  });
  const legend = tokenizers.map(({ name }, i) => `<li><i class="by-${i}"></i>${escapeHtml(name)}</li>`);
  const key = tokenizers.length > 1 ? `<ul class="legend">${legend.join('')}</ul>` : '';
  return `${key}<table>${rows.join('\n')}</table>`;
}

/** `whole word` is the class kind-whole-word. */
function classOf(kind: PieceKind): string {
  return `kind-${kind.replace(' ', '-')}`;
}

/** The last column holds everything longer. */
function lengthName(index: number, columns: number): string {
  return index + 1 === columns
    ? `${columns} bytes and more`
    : `${index + 1} ${index === 0 ? 'byte' : 'bytes'}`;
}

/** 1, 2 or 5 times a power of ten, at least `value`. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}

/** Texts and pieces are anyone's: nothing of them may become markup. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
