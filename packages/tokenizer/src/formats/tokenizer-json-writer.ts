/**
 * Hugging Face's `tokenizer.json` and `tokenizer_config.json`, written in the layouts that
 * transformers gives Llama 2 (legacy) and Llama 3.
 */
import type { ByteLevelTokenizer } from '../byte-level/tokenizer.ts';
import { SentencePieceTokenizer } from '../sentencepiece/tokenizer.ts';
import { byteLevelParts } from './tokenizer-json-writer-bytes.ts';
import { pieceParts } from './tokenizer-json-writer-pieces.ts';
import { addedTokenJson, bySequence } from './tokenizer-json-writer-steps.ts';

export interface TokenizerJsonFiles {
  readonly 'tokenizer.json': string;
  readonly 'tokenizer_config.json': string;
}

/** Throws where the layout cannot say what the tokenizer does. */
export function writeTokenizerJson(
  tokenizer: SentencePieceTokenizer | ByteLevelTokenizer,
): TokenizerJsonFiles {
  const parts =
    tokenizer instanceof SentencePieceTokenizer ? pieceParts(tokenizer) : byteLevelParts(tokenizer);
  const name = (id: number | undefined): string | null => (id === undefined ? null : tokenizer.idToPiece(id));
  const root = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...tokenizer.addedTokens].sort((a, b) => a.id - b.id).map(addedTokenJson),
    normalizer: bySequence(parts.normalizers, 'normalizers'),
    pre_tokenizer: bySequence(parts.preTokenizers, 'pretokenizers'),
    post_processor: template(tokenizer),
    decoder: bySequence(parts.decoders, 'decoders'),
    model: parts.model,
  };
  const config = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: name(tokenizer.bosId),
    eos_token: name(tokenizer.eosId),
    unk_token: name(tokenizer.unkId),
    pad_token: name(tokenizer.padId),
    add_bos_token: tokenizer.addsBos,
    add_eos_token: tokenizer.addsEos,
    clean_up_tokenization_spaces: false,
    model_max_length: 1000000000000000019884624838656n,
  };
  return {
    'tokenizer.json': `${JSON.stringify(root)}\n`,
    'tokenizer_config.json': `${JSON.stringify(config, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value), 2)}\n`,
  };
}

/** BOS and EOS around a text, where the tokenizer puts them there. */
function template(tokenizer: SentencePieceTokenizer | ByteLevelTokenizer): object {
  const before = tokenizer.addsBos ? tokenizer.bosId : undefined;
  const behind = tokenizer.addsEos ? tokenizer.eosId : undefined;
  const special = (id: number | undefined, type: number): object[] =>
    id === undefined ? [] : [{ SpecialToken: { id: tokenizer.idToPiece(id), type_id: type } }];
  const around = (sequence: string, type: number): object[] => [
    ...special(before, type),
    { Sequence: { id: sequence, type_id: type } },
    ...special(behind, type),
  ];
  const used = [...new Set([before, behind])].filter((id) => id !== undefined);
  const entries = used.map((id) => {
    const name = tokenizer.idToPiece(id);
    return [name, { id: name, ids: [id], tokens: [name] }] as const;
  });
  return {
    type: 'TemplateProcessing',
    single: around('A', 0),
    pair: [...around('A', 0), ...around('B', 1)],
    special_tokens: Object.fromEntries(entries),
  };
}
