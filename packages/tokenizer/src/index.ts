export type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
export { SentencePieceTokenizer, type SentencePieceOptions } from './sentencepiece.ts';
export { readSentencePieceModel, writeSentencePieceModel, type SentencePieceModel, type SentencePieceSettings } from './sentencepiece-model.ts';
export { PieceList, type Piece } from './piece-list.ts';
export { SentencePieceTrainer, type SentencePieceTrainerOptions, type TrainingProgress } from './sentencepiece-trainer.ts';
