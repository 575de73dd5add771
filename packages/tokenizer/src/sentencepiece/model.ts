/**
 * `tokenizer.model`: the ModelProto of sentencepiece (src/sentencepiece_model.proto), read and
 * written.
 */
import { failure } from '../errors.ts';
import { type PieceList, PieceListBuilder, NORMAL, BYTE } from './piece-list.ts';
import { ProtobufReader, ProtobufWriter, WIRE_BYTES } from './protobuf.ts';
import { encodeUtf8 } from '../bytes/utf8.ts';
import { refuseWrongFile } from '../wrong-file.ts';

/**
 * What decides the ids of a text, of TrainerSpec and NormalizerSpec. Absent fields have the proto's
 * defaults.
 */
export interface SentencePieceSettings {
  /**
   * How pieces are chosen: by merges in the order of their scores, or by the best sum of scores.
   */
  readonly modelType: 'bpe' | 'unigram';
  readonly byteFallback: boolean;
  /** Put a space before the text. */
  readonly addDummyPrefix: boolean;
  /** Trim, and make runs of spaces one. */
  readonly removeExtraWhitespaces: boolean;
  /** The dummy space goes behind the text, and pieces end with `▁`. */
  readonly treatWhitespaceAsSuffix: boolean;
  /** Ids, −1 for none. */
  readonly unkId: number;
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  /** What `<unk>` decodes to. */
  readonly unkSurface: string;
  /** Which characters become which (text/character-map.ts). Absent: none. */
  readonly characterMap?: Uint8Array;
}

export const DEFAULT_SETTINGS: SentencePieceSettings = {
  modelType: 'bpe',
  byteFallback: false,
  addDummyPrefix: true,
  removeExtraWhitespaces: true,
  treatWhitespaceAsSuffix: false,
  unkId: 0,
  bosId: 1,
  eosId: 2,
  padId: -1,
  unkSurface: ' ⁇ ',
};

export interface SentencePieceModel {
  readonly pieces: PieceList;
  readonly settings: SentencePieceSettings;
  /**
   * The fields of ModelProto besides the pieces as they stand in the file, so that writing gives
   * back what was read.
   */
  readonly sections: readonly { readonly field: number; readonly bytes: Uint8Array }[];
}

const OP = 'readSentencePiece';
const PIECES = 1;
const TRAINER_SPEC = 2;
const NORMALIZER_SPEC = 3;
const MODEL_TYPE_UNIGRAM = 1;
const MODEL_TYPE_BPE = 2;

/** Throws on models of words and of characters, which no LLaMA vocabulary is. */
export function readSentencePieceModel(bytes: Uint8Array): SentencePieceModel {
  refuseWrongFile(OP, bytes);
  const builder = new PieceListBuilder(bytes.length >> 4, bytes.length);
  const reader = new ProtobufReader(bytes, readPlainPieces(bytes, builder));
  const inner = new ProtobufReader(bytes, 0, 0);
  const sections: { field: number; bytes: Uint8Array }[] = [];
  const settings: Writable<SentencePieceSettings> = { ...DEFAULT_SETTINGS };
  let modelType = 1;
  while (reader.next()) {
    if (reader.wire !== WIRE_BYTES)
      throw failure(
        OP,
        `field ${reader.field} of the model is no message`,
        'this is not a sentencepiece model',
      );
    const start = reader.rangeStart();
    const end = reader.rangeEnd();
    if (reader.field === PIECES) {
      readPiece(inner, start, end, builder);
      continue;
    }
    sections.push({ field: reader.field, bytes: bytes.slice(start, end) });
    if (reader.field === TRAINER_SPEC) modelType = readTrainerSpec(reader.message(), settings);
    else if (reader.field === NORMALIZER_SPEC) readNormalizerSpec(reader.message(), settings);
  }
  const pieces = builder.finish();
  if (pieces.size === 0) throw failure(OP, 'the model has no pieces', 'this is not a sentencepiece model');
  if (modelType !== MODEL_TYPE_BPE && modelType !== MODEL_TYPE_UNIGRAM) {
    const name = ['', 'unigram', 'bpe', 'word', 'char'][modelType] ?? String(modelType);
    throw failure(OP, `the model type is ${name}`, 'BPE and unigram models are read');
  }
  settings.modelType = modelType === MODEL_TYPE_UNIGRAM ? 'unigram' : 'bpe';
  return { pieces, settings, sections };
}

/**
 * The pieces at the front of the file that are written as sentencepiece writes them (field 1: text,
 * score and perhaps a type, in this order, lengths below 128), without the general reader: that
 * halves the time to load a model. Returns where it stopped.
 */
function readPlainPieces(bytes: Uint8Array, builder: PieceListBuilder): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; ;) {
    const body = at + 2;
    const end = body + bytes[at + 1];
    const from = body + 2;
    const to = from + bytes[body + 1];
    const rest = to + 5;
    // beyond the end every byte is undefined, and no comparison with it holds
    if (!(bytes[at] === 0x0a && bytes[at + 1] < 0x80 && end <= bytes.length)) return at;
    if (!(bytes[body] === 0x0a && bytes[body + 1] < 0x80 && bytes[to] === 0x15)) return at;
    const typed = rest + 2 === end && bytes[rest] === 0x18 && bytes[rest + 1] < 0x80;
    if (rest !== end && !typed) return at;
    builder.add(bytes, from, to, view.getFloat32(to + 1, true), typed ? bytes[rest + 1] : NORMAL);
    at = end;
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function readPiece(reader: ProtobufReader, start: number, end: number, builder: PieceListBuilder): void {
  reader.enter(start, end);
  let from = 0;
  let to = 0;
  let score = 0;
  let type = NORMAL;
  while (reader.next()) {
    if (reader.field === 1) {
      from = reader.rangeStart();
      to = reader.rangeEnd();
    } else if (reader.field === 2) score = reader.float();
    else if (reader.field === 3) type = reader.int32();
  }
  builder.add(reader.bytes, from, to, score, type);
}

function readTrainerSpec(reader: ProtobufReader, settings: Writable<SentencePieceSettings>): number {
  let modelType = 1;
  while (reader.next()) {
    switch (reader.field) {
      case 3:
        modelType = reader.int32();
        break;
      case 24:
        settings.treatWhitespaceAsSuffix = reader.bool();
        break;
      case 35:
        settings.byteFallback = reader.bool();
        break;
      case 40:
        settings.unkId = reader.int32();
        break;
      case 41:
        settings.bosId = reader.int32();
        break;
      case 42:
        settings.eosId = reader.int32();
        break;
      case 43:
        settings.padId = reader.int32();
        break;
      case 44:
        settings.unkSurface = reader.string();
        break;
    }
  }
  return modelType;
}

function readNormalizerSpec(reader: ProtobufReader, settings: Writable<SentencePieceSettings>): void {
  while (reader.next()) {
    switch (reader.field) {
      case 2:
        if (reader.rangeEnd() > reader.rangeStart())
          settings.characterMap = reader.bytes.slice(reader.rangeStart(), reader.rangeEnd());
        break;
      case 3:
        settings.addDummyPrefix = reader.bool();
        break;
      case 4:
        settings.removeExtraWhitespaces = reader.bool();
        break;
      case 5:
        if (!reader.bool())
          throw failure(OP, 'escape_whitespaces is off', 'models without it are not supported');
        break;
    }
  }
}

/**
 * The file that sentencepiece itself would write: pieces first, then the other sections in their
 * order.
 */
export function writeSentencePieceModel(model: SentencePieceModel): Uint8Array {
  const writer = new ProtobufWriter();
  for (let id = 0; id < model.pieces.size; id++) {
    const { piece, score, type } = model.pieces.at(id);
    const message = new ProtobufWriter().raw(1, encodeUtf8(piece)).float(2, score);
    if (type !== NORMAL) message.int32(3, type);
    writer.raw(PIECES, message.finish());
  }
  for (const section of model.sections) writer.raw(section.field, section.bytes);
  return writer.finish();
}

/**
 * A model around pieces that came from another format: its TrainerSpec and NormalizerSpec say what
 * LLaMA's say.
 */
export function modelFromPieces(pieces: PieceList, settings: SentencePieceSettings): SentencePieceModel {
  const trainer = new ProtobufWriter()
    .int32(3, settings.modelType === 'unigram' ? MODEL_TYPE_UNIGRAM : MODEL_TYPE_BPE)
    .int32(4, pieces.size)
    .bool(24, settings.treatWhitespaceAsSuffix)
    .bool(35, settings.byteFallback)
    .int32(40, settings.unkId)
    .int32(41, settings.bosId)
    .int32(42, settings.eosId)
    .int32(43, settings.padId)
    .string(44, settings.unkSurface);
  const names = [settings.unkId, settings.bosId, settings.eosId, settings.padId];
  names.forEach((id, i) => {
    if (id >= 0 && id < pieces.size) trainer.string(45 + i, pieces.name(id));
  });
  const normalizer = new ProtobufWriter()
    .string(1, settings.characterMap === undefined ? 'identity' : 'user_defined')
    .raw(2, settings.characterMap ?? new Uint8Array(0))
    .bool(3, settings.addDummyPrefix)
    .bool(4, settings.removeExtraWhitespaces);
  return {
    pieces,
    settings,
    sections: [
      { field: TRAINER_SPEC, bytes: trainer.finish() },
      { field: NORMALIZER_SPEC, bytes: normalizer.finish() },
    ],
  };
}

/** Byte that the piece `<0xHH>` stands for. */
export function byteOfPiece(pieces: PieceList, id: number): number {
  const match = pieces.types[id] === BYTE ? /^<0x([0-9A-Fa-f]{2})>$/.exec(pieces.name(id)) : null;
  if (match === null)
    throw failure(
      OP,
      `piece ${id} '${pieces.name(id)}' is no byte piece`,
      'byte pieces are named <0x00> to <0xFF>',
    );
  return parseInt(match[1], 16);
}
