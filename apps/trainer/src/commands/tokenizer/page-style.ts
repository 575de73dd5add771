/** Style and behaviour of the tokenizer page, in light and dark. */
export const pageStyle = `
:root { --ink: #1d2129; --soft: #5c6472; --paper: #fbfbf9; --card: #ffffff; --line: #e2e3e0; --focus: #1d2129;
  --h0: #dbe7fb; --h1: #fbe3cf; --h2: #d8f0dc; --h3: #f3dcec; --h4: #f6efc4; --h5: #d6eef0;
  --word: #3d6fb4; --part: #8fb0dc; --digits: #c9812b; --punct: #7a6aa8; --white: #a9adb5; --byte: #c2574f;
    --mine: #3d6fb4; --theirs: #d09a4e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #9aa3b2; --paper: #15171b;
  --card: #1d2026; --line: #30343c; --focus: #ffffff;
  --h0: #263d63; --h1: #5c3d1f; --h2: #22492d; --h3: #552e4a; --h4: #4d4718; --h5: #1d474c;
  --word: #6c9be0; --part: #3f5f91; --digits: #dd9c48; --punct: #9a8acb; --white: #6d737f; --byte: #dd7169;
    --mine: #6c9be0; --theirs: #d8a55c; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 0 0 4.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "Noto Sans", sans-serif; }
header, main { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: .95rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
small { font-weight: 400; color: var(--soft); }
.facts, .note { color: var(--soft); margin: .1rem 0 .75rem; }
.facts { margin: 0; }
code { font: .9em ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
.note code { background: var(--card); border: 1px solid var(--line); border-radius: 4px; padding: 0 .3em;
  white-space: pre-wrap; }
article, figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.1rem; margin: 0 0 .8rem; }
.text { font: .95rem/2 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.token { padding: .22em 0; border-radius: 4px; box-decoration-break: clone;
  -webkit-box-decoration-break: clone; cursor: default; }
.token.on { outline: 2px solid var(--focus); }
.several { border-bottom: 2px dotted var(--byte); }
.mark { opacity: .45; }
${[0, 1, 2, 3, 4, 5].map((i) => `.hue-${i} { background: var(--h${i}); }`).join(' ')}
.tabs { display: flex; flex-wrap: wrap; gap: .4rem; margin: 0 0 .8rem; }
.tabs button { font: inherit; color: var(--soft); background: none; border: 1px solid var(--line);
  border-radius: 999px; padding: .2rem .9rem; cursor: pointer; }
.tabs button[aria-selected=true] { color: var(--paper); background: var(--ink); border-color: var(--ink); }
figcaption { font-weight: 600; font-size: .95rem; margin-bottom: .6rem; }
svg { width: 100%; height: auto; display: block; }
.grid { stroke: var(--line); } .axis { fill: var(--soft); font: 12px system-ui, sans-serif; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; margin: .6rem 0;
  color: var(--soft); font-size: .9rem; }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .45em; }
.legend b { color: var(--ink); font-weight: 600; }
.kind-word-beginning { fill: var(--word); background: var(--word); }
.kind-word-part { fill: var(--part); background: var(--part); }
.kind-digits { fill: var(--digits); background: var(--digits); }
.kind-punctuation { fill: var(--punct); background: var(--punct); }
.kind-white-space { fill: var(--white); background: var(--white); }
.kind-byte, .kind-special { fill: var(--byte); background: var(--byte); }
.by-0 { background: var(--mine); } .by-1 { background: var(--theirs); }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 400; padding: .35rem 1rem .35rem 0; width: 1%; max-width: 18rem;
  overflow-wrap: anywhere; min-width: 6.5rem; }
td { padding: .35rem 0; } tr + tr { border-top: 1px solid var(--line); } .total th, .total td { font-weight: 600; }
.line { display: flex; align-items: center; gap: .6rem; }
.bar { height: .8rem; border-radius: 0 3px 3px 0; min-width: 2px; }
.bars { padding-right: 3rem; } .value { font-variant-numeric: tabular-nums; font-size: .9rem; }
.gain { text-align: right; width: 4rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
footer { position: fixed; inset: auto 0 0 0; background: var(--card); border-top: 1px solid var(--line);
  padding: .7rem 1.25rem; min-height: 3rem; display: flex; flex-wrap: wrap; gap: .2rem 1.5rem;
  justify-content: center; }
footer b { font-variant-numeric: tabular-nums; } .hint { color: var(--soft); }
`;

/**
 * Shows the facts of the token under the pointer, and moves by arrow keys; the page is whole
 * without it.
 */
export const pageScript = `
const detail = document.getElementById('detail');
let chosen;
function show(token) {
  chosen?.classList.remove('on');
  chosen = token;
  token.classList.add('on');
  detail.replaceChildren(...token.dataset.t.split('\\n').map((line) => {
    const [id, piece, bytes] = line.split('\\t');
    const entry = document.createElement('span');
    const name = document.createElement('code');
    name.textContent = piece;
    const number = document.createElement('b');
    number.textContent = id;
    const hex = document.createElement('span');
    hex.className = 'hint';
    hex.textContent = bytes;
    entry.append(number, ' ', name, ' ', hex);
    return entry;
  }));
}
document.addEventListener('mouseover', (event) => {
  const token = event.target.closest?.('.token');
  if (token) show(token);
});
document.addEventListener('keydown', (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tokens = [...document.querySelectorAll('[role=tabpanel]:not([hidden]) .token')];
  const next = tokens[tokens.indexOf(chosen) + step];
  if (!next) return;
  event.preventDefault();
  show(next);
  next.scrollIntoView({ block: 'nearest' });
});
for (const tab of document.querySelectorAll('[role=tab]')) tab.addEventListener('click', () => {
  for (const other of document.querySelectorAll('[role=tab]'))
    other.setAttribute('aria-selected', String(other === tab));
  for (const panel of document.querySelectorAll('[role=tabpanel]')) panel.hidden = panel.id !== tab.dataset.panel;
});
`;
