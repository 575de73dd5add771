import { fail, sizeOf } from '@cria/tensor';
import { weightBytes } from '../dtypes.ts';
import { type StoredDType, storedDTypes } from './dtypes.ts';
import { type HeaderEntries, readUsualHeader } from './usual-header.ts';

/** Largest header the format allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Deepest nesting a valid header has: the header, a tensor, its shape. */
const MAX_DEPTH = 3;

export interface HeaderTensor {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** Bytes from the start of the data. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their data. */
  readonly tensors: readonly HeaderTensor[];
}

/**
 * Length of the JSON header from the first eight bytes. Throws where it cannot be, so that nothing
 * is read or allocated for it. Format: `huggingface/safetensors`, README and
 * `safetensors/src/tensor.rs`.
 */
export function headerLength(op: string, file: string, fileSize: number, prefix: Uint8Array): number {
  if (prefix.length < 8)
    fail(op, `${file}: ${fileSize} bytes are no safetensors file.`, 'the header length alone takes 8 bytes');
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    fail(op, `${file}: header length ${length} exceeds ${MAX_HEADER_BYTES}.`, 'is it a safetensors file?');
  if (length > BigInt(fileSize - 8)) {
    fail(
      op,
      `${file}: header length ${length} exceeds the ${fileSize - 8} bytes that follow.`,
      'the file is truncated or not a safetensors file',
    );
  }
  return Number(length);
}

/**
 * Parses and checks the JSON header against the number of bytes behind it: every byte must belong
 * to exactly one tensor.
 */
export function parseHeader(
  op: string,
  file: string,
  header: Uint8Array,
  dataBytes: number,
): SafetensorsHeader {
  if (header[0] !== 0x7b)
    fail(op, `${file}: the header does not start with "{".`, 'is it a safetensors file?');
  const entries = readEntries(op, file, header);
  let metadata: Readonly<Record<string, string>> = {};
  const tensors: HeaderTensor[] = [];
  for (const [name, value] of entries) {
    if (name === '__metadata__') metadata = checkMetadata(op, file, value);
    else tensors.push(checkTensor(op, file, name, value, dataBytes));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(op, file, tensors, dataBytes);
  return { metadata, tensors };
}

function readEntries(op: string, file: string, header: Uint8Array): HeaderEntries {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
    const entries = readUsualHeader(text);
    if (entries && new Set(entries.map(([name]) => name)).size === entries.length) return entries;
    const pairs = countPairs(op, file, text);
    const value = JSON.parse(text) as object; // it starts with "{", so it is an object
    if (countKeys(value) !== pairs) refuseEqualKeys(op, file, text);
    return Object.entries(value);
  } catch (error) {
    if (error instanceof Error && error.name === 'CriaError') throw error;
    return fail(
      op,
      `${file}: the header is not valid JSON (${(error as Error).message}).`,
      'the file is damaged',
      error,
    );
  }
}

const [QUOTE, COLON, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [34, 58, 91, 93, 123, 125];

/** Pairs of key and value in all objects of a text; refuses nesting that no header has. */
function countPairs(op: string, file: string, text: string): number {
  let pairs = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    else if (code === COLON) pairs++;
    else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      if (++depth > MAX_DEPTH)
        fail(op, `${file}: the header nests deeper than ${MAX_DEPTH} levels.`, 'the file is damaged');
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) depth--;
  }
  return pairs;
}

/**
 * Keys of an object and of the objects in it: as many as its text has pairs, unless two were equal
 * or there is more than a header has.
 */
function countKeys(value: object): number {
  let keys = 0;
  for (const inner of Object.values(value) as unknown[])
    keys += isRecord(inner) ? 1 + Object.keys(inner).length : 1;
  return keys;
}

/** `JSON.parse` takes the last of several equal keys; here they are refused. */
function refuseEqualKeys(op: string, file: string, text: string): void {
  const open: (Set<string> | undefined)[] = [];
  const colon = /\s*:/y;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : undefined);
    } else if (character === '}' || character === ']') {
      open.pop();
    } else if (character === '"') {
      const start = i;
      i = endOfString(text, start);
      const keys = open.at(-1);
      colon.lastIndex = i + 1;
      if (!keys || !colon.test(text)) continue;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      if (keys.has(key)) fail(op, `${file}: the header has "${shorten(key)}" twice.`, 'the file is damaged');
      keys.add(key);
    }
  }
}

/**
 * Index of the quote that closes the string that opens at `start`; the end of the text where none
 * does.
 */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

function checkMetadata(op: string, file: string, value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value))
    fail(op, `${file}: __metadata__ is ${describeValue(value)}.`, 'it must map strings to strings');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      fail(op, `${file}: __metadata__ "${shorten(key)}" is ${describeValue(text)}.`, 'it must be a string');
  }
  return value as Record<string, string>;
}

function checkTensor(
  op: string,
  file: string,
  name: string,
  value: unknown,
  dataBytes: number,
): HeaderTensor {
  const where = () => `${file}: tensor "${shorten(name)}"`;
  if (!isRecord(value))
    fail(op, `${where()} is ${describeValue(value)}.`, 'it must have dtype, shape and data_offsets');
  const { dtype: type, shape, data_offsets: offsets } = value;
  const dtype =
    (typeof type === 'string' ? storedDTypes.get(type) : undefined) ??
    fail(op, `${where()} has dtype ${describeValue(type)}.`);
  if (!isSizes(shape))
    fail(op, `${where()} has shape ${describeValue(shape)}.`, 'it must be a list of whole numbers');
  if (!isSizes(offsets) || offsets.length !== 2) {
    fail(op, `${where()} has data_offsets ${describeValue(offsets)}.`, 'they must be two whole numbers');
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes) {
    fail(
      op,
      `${where()} lies at bytes ${begin} to ${end} of ${dataBytes}.`,
      'the file is truncated or damaged',
    );
  }
  const bytes = weightBytes(dtype, sizeOf(shape));
  if (bytes !== end - begin) {
    fail(
      op,
      `${where()} is ${dtype}[${shape.join(', ')}], ${bytes ?? 'no whole number of'} bytes, ` +
        `but its data_offsets span ${end - begin}.`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function checkCover(op: string, file: string, tensors: readonly HeaderTensor[], dataBytes: number): void {
  let covered = 0;
  let before: string | undefined;
  for (const { name, begin, end } of tensors) {
    if (begin !== covered) {
      const last = before === undefined ? 'the header' : `"${shorten(before)}"`;
      const what =
        begin < covered
          ? `overlaps ${last}, which ends at byte ${covered}`
          : `leaves bytes ${covered} to ${begin} to nobody`;
      fail(
        op,
        `${file}: tensor "${shorten(name)}" starts at byte ${begin} and ${what}.`,
        'the file is damaged',
      );
    }
    covered = end;
    before = name;
  }
  if (covered !== dataBytes)
    fail(
      op,
      `${file}: ${dataBytes} bytes of data, tensors cover ${covered}.`,
      'the file has something appended or is damaged',
    );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (const item of value as unknown[]) if (!(Number.isSafeInteger(item) && Number(item) >= 0)) return false;
  return true;
}

function describeValue(value: unknown): string {
  return value === undefined ? 'missing' : shorten(JSON.stringify(value));
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
