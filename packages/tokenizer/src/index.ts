export type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
export { SentencePieceTokenizer, type SentencePieceOptions } from './sentencepiece.ts';
export {
  readSentencePieceModel,
  writeSentencePieceModel,
  type SentencePieceModel,
  type SentencePieceSettings,
} from './sentencepiece-model.ts';
export { PieceList, type Piece } from './piece-list.ts';
export {
  SentencePieceTrainer,
  type SentencePieceTrainerOptions,
  type TrainingProgress,
} from './sentencepiece-trainer.ts';
export { ByteLevelTrainer, type ByteLevelTrainerOptions } from './byte-level-trainer.ts';
export { ByteLevelTokenizer, type ByteLevelOptions, type MergeList } from './byte-level.ts';
export { TokenBytes } from './token-bytes.ts';
export { GPT2_PATTERN, LLAMA3_PATTERN } from './split-patterns.ts';
export { llama3SpecialTokens, readTiktoken, writeTiktoken, type TiktokenOptions } from './tiktoken.ts';
export { detectFormat, parseTokenizer, type ParseOptions, type VocabularyFormat } from './parse.ts';
export { serializeTokenizer } from './convert.ts';
export { readLlama2c, writeLlama2c } from './llama2c.ts';
export { readTokenizerJson, type TokenizerJsonOptions } from './tokenizer-json.ts';
export { writeTokenizerJson, type TokenizerJsonFiles } from './tokenizer-json-writer.ts';
export { ggufVocabulary, tokenizerFromGguf } from './gguf-vocabulary.ts';
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
