export type { DecodeOptions, EncodeOptions, Encoding, TokenDecoder, Tokenizer } from './tokenizer.ts';
