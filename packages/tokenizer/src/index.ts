export type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
export { SentencePieceTokenizer, type SentencePieceOptions } from './sentencepiece.ts';
export { readSentencePieceModel, writeSentencePieceModel, type SentencePieceModel, type SentencePieceSettings } from './sentencepiece-model.ts';
export { PieceList, type Piece } from './piece-list.ts';
export { SentencePieceTrainer, type SentencePieceTrainerOptions, type TrainingProgress } from './sentencepiece-trainer.ts';
export { ByteLevelTokenizer, type ByteLevelOptions, type MergeList } from './byte-level.ts';
export { TokenBytes } from './token-bytes.ts';
export { GPT2_PATTERN, LLAMA3_PATTERN } from './split-patterns.ts';
export { llama3SpecialTokens, readTiktoken, writeTiktoken, type TiktokenOptions } from './tiktoken.ts';
