const text = 'txt text md mdx markdown rst tex adoc org jsonl jsonl.gz';
const code =
  'ts tsx mts cts js jsx mjs cjs vue svelte py pyi rb php pl pm lua r jl c h cc cpp cxx hpp hh cu cuh ' +
  'wgsl glsl m mm swift java kt kts scala groovy go rs zig nim d cs fs fsx vb hs ml mli elm erl hrl ex ' +
  'exs clj cljs lisp scm rkt sh bash zsh fish ps1 bat sql html htm css scss less xml yaml yml toml ini ' +
  'cfg json proto graphql dockerfile makefile cmake asm s f90 f pas v sv vhd';

const codeExtensions = new Set(code.split(' '));

/** What is read from folders when a source does not say. */
export const defaultExtensions: readonly string[] = [...text.split(' '), ...codeExtensions].sort();

/** `a/b.d.TS` → `ts`, `x.jsonl.gz` → `jsonl.gz`, `Makefile` → `makefile`. */
export function extensionOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  if (name.endsWith('.jsonl.gz')) return 'jsonl.gz';
  return name.slice(name.lastIndexOf('.') + 1);
}

/** Code gets the GitHub filters by default. */
export function isCode(path: string): boolean {
  return codeExtensions.has(extensionOf(path));
}
