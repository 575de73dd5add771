/** What a text must be, as a request says it. Plain data. */
export type GrammarSpec = {
  /** The field of the request that asks for it. */
  readonly field: string;
} & (
  | { readonly kind: 'schema'; readonly schema: unknown }
  | { readonly kind: 'regex' | 'gbnf'; readonly source: string }
  | { readonly kind: 'choice'; readonly texts: readonly string[] }
);

/** One text for equal specifications: what grammars are kept by. */
export function keyOfSpec(spec: GrammarSpec): string {
  return JSON.stringify({ ...spec, field: undefined });
}
