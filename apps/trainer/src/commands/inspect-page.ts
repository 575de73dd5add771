import { bytes, count } from '../show/format.ts';
import { type Inspection, loadBytes } from './inspect-report.ts';

/** Light and dark; system fonts, so that the page needs nothing beside itself. */
const style = `
:root { --ink: #1d2129; --soft: #5c6472; --paper: #fbfbf9; --card: #fff; --line: #e2e3e0; --bar: #8fb0dc; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #9aa3b2; --paper: #15171b;
  --card: #1d2026; --line: #30343c; --bar: #3f5f91; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
p { color: var(--soft); margin: .2rem 0; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .8rem; padding: 0;
  margin: 1.2rem 0; }
dl div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .6rem .9rem; }
dt { color: var(--soft); font-size: .85rem; } dd { margin: 0; font-size: 1.1rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  font-weight: 400; vertical-align: top; }
thead th { color: var(--soft); } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
td.name { overflow-wrap: anywhere; font-family: ui-monospace, "DejaVu Sans Mono", Menlo, monospace; }
i { display: block; height: .35rem; border-radius: 2px; background: var(--bar); }`;

/** One page, without scripts: figures, tensors with their share of the bytes, metadata. */
export function inspectPage(inspection: Inspection): string {
  const { path, format, remark, tensors, metadata } = inspection;
  // The largest tensor's bar is full; an empty file has no tensors to draw.
  const most = Math.max(1, ...tensors.map((tensor) => tensor.bytes));
  const rows = tensors.map(({ name, canonical, dtype, shape, bytes: size }) => {
    const small = canonical ? `<br><small>${escape(canonical)}</small>` : '';
    const bar = `<i style="width:${((100 * size) / most).toFixed(1)}%"></i>`;
    return (
      `<tr><td class="name">${escape(name)}${small}</td><td>${dtype}</td>` +
      `<td class="n">${shape.join(' × ')}</td><td class="n">${bytes(size)}${bar}</td></tr>`
    );
  });
  const facts = factsOf(inspection).map(
    ([name, value]) => `<div><dt>${escape(name)}</dt><dd>${escape(value)}</dd></div>`,
  );
  const keys = metadata.map(
    ([key, value]) => `<tr><td class="name">${escape(key)}</td><td class="name">${escape(value)}</td></tr>`,
  );
  const head = '<thead><tr><th>name<th>type<th class="n">shape<th class="n">size</tr></thead>';
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(path)}</title><style>${style}</style>
<main><h1>${escape(path)}</h1><p>${escape(format)}</p>${remark ? `<p>${escape(remark)}</p>` : ''}
<dl>${facts.join('')}</dl>
${tensors.length > 0 ? `<h2>Tensors</h2><div class="scroll"><table>${head}<tbody>${rows.join('\n')}</tbody></table></div>` : ''}
${keys.length > 0 ? `<h2>Metadata</h2><div class="scroll"><table><tbody>${keys.join('\n')}</tbody></table></div>` : ''}
</main></html>
`;
}

/** The figures of an inspection by name, for terminal and page. */
export function factsOf(inspection: Inspection): (readonly [string, string])[] {
  const { config, parameters, tensors, text } = inspection;
  return [
    ['tensors', String(tensors.length)],
    ['parameters', `${count(parameters)} (${parameters.toLocaleString('en')})`],
    ['weights in the file', bytes(inspection.bytes)],
    ['memory as f32', bytes(loadBytes(inspection, 4))],
    ['memory as bf16', bytes(loadBytes(inspection, 2))],
    ...(config
      ? ([
          ['width', `${config.dim}, feed-forward ${config.ffnDim}`],
          ['layers', String(config.nLayers)],
          ['heads', `${config.nHeads} of ${config.headDim}, ${config.nKvHeads} for keys and values`],
          ['vocabulary', `${config.vocabSize}${config.tiedEmbeddings ? ', tied' : ''}`],
          ['context', String(config.contextLength)],
          [
            'RoPE',
            `θ ${config.ropeTheta}${config.ropeScaling ? `, scaled by ${config.ropeScaling.factor}` : ''}`,
          ],
          ['norm epsilon', String(config.normEps)],
        ] as const)
      : []),
    ...(text
      ? ([
          ['tokenizer', text.vocabulary],
          ['ends a text', text.stopIds.join(', ') || 'nothing'],
          ['chat template', text.hasChatTemplate ? 'yes' : 'none'],
        ] as const)
      : []),
  ];
}

/** Names and metadata come from the file, and so from anyone: nothing of them may become markup. */
function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
