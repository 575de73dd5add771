export type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
export { SentencePieceTokenizer, type SentencePieceOptions } from './sentencepiece/tokenizer.ts';
export {
  readSentencePieceModel,
  writeSentencePieceModel,
  type SentencePieceModel,
  type SentencePieceSettings,
} from './sentencepiece/model.ts';
export { PieceList, type Piece } from './sentencepiece/piece-list.ts';
export { SentencePieceTrainer, type SentencePieceTrainerOptions } from './training/sentencepiece-trainer.ts';
export type { TrainingProgress } from './training/progress.ts';
export { ByteLevelTrainer, type ByteLevelTrainerOptions } from './training/byte-level-trainer.ts';
export type { AddedToken } from './added-tokens.ts';
export type { ByteLevelOptions } from './byte-level/options.ts';
export { ByteLevelTokenizer } from './byte-level/tokenizer.ts';
export type { MergeList } from './bpe/merge-list.ts';
export { TokenBytes } from './bytes/token-bytes.ts';
export { GPT2_PATTERN, LLAMA3_PATTERN } from './byte-level/patterns.ts';
export type { NormalizerStep } from './text/normalizers.ts';
export type { PrefixStep, SplitBehavior, SplitPattern, SplitStep } from './text/splitter.ts';
export {
  llama3SpecialTokens,
  readTiktoken,
  writeTiktoken,
  type TiktokenOptions,
} from './formats/tiktoken.ts';
export { detectFormat, parseTokenizer, type ParseOptions, type VocabularyFormat } from './formats/parse.ts';
export { withoutPlaceholders } from './formats/placeholders.ts';
export { serializeTokenizer } from './formats/serialize.ts';
export { readLlama2c, writeLlama2c } from './formats/llama2c.ts';
export { readTokenizerJson, type TokenizerJsonOptions } from './formats/tokenizer-json.ts';
export { writeTokenizerJson, type TokenizerJsonFiles } from './formats/tokenizer-json-writer.ts';
export { tokenizerFromGguf } from './formats/gguf-vocabulary.ts';
export { ggufVocabulary, type GgufVocabularyOptions } from './formats/gguf-vocabulary-writer.ts';
export { GgufCutError } from './gguf/cursor.ts';
export { isGguf, readGguf, type ReadGgufOptions } from './gguf/header.ts';
export { readGgufFront } from './gguf/front.ts';
export { writeGgufHeader } from './gguf/writer.ts';
export {
  GGUF_ALIGNMENT,
  type GgufEntry,
  type GgufHeader,
  type GgufMetadata,
  type GgufScalar,
  type GgufScalarType,
  type GgufTensorInfo,
} from './gguf/types.ts';
export { TokenizerError } from './errors.ts';
export { describeWrongFile, type WrongFile } from './wrong-file.ts';
