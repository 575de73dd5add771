import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeWhole } from '@cria/files';
import { fail } from '@cria/tensor';
import { detectFormat, serializeTokenizer, type Tokenizer, type VocabularyFormat } from '@cria/tokenizer';
import { loadTokenizer } from '@cria/tokenizer/node';

/*
 * A run keeps its tokenizer in the format in which it was given, under the names that published
 * models use, so that whatever opens a model finds it in the run and beside each of its saved
 * states.
 */

/** Files that hold a vocabulary. */
const VOCABULARIES = ['tokenizer.model', 'tokenizer.json', 'tokenizer.bin'];
/** Files that say more about one. */
const COMPANIONS = [
  'tokenizer_config.json',
  'added_tokens.json',
  'special_tokens_map.json',
  'chat_template.jinja',
];

/** Contents by file name. */
type Files = ReadonlyMap<string, Uint8Array>;

/** The tokenizer that a run has; undefined where it has none yet. */
export async function openRunTokenizer(folder: string): Promise<Tokenizer | undefined> {
  return VOCABULARIES.some((name) => existsSync(join(folder, name))) ? loadTokenizer(folder) : undefined;
}

/** All files of a run's tokenizer by name, to put beside its weights. */
export function tokenizerFiles(folder: string): Record<string, Uint8Array> {
  return Object.fromEntries(read(folder, [...VOCABULARIES, ...COMPANIONS]));
}

/**
 * Puts a tokenizer into a run. `given` is the file or folder that it was read from: its files are
 * copied where that gives the same tokenizer, so that nothing they say is lost. Otherwise it is
 * written in a format that can hold it.
 */
export async function keepTokenizer(folder: string, tokenizer: Tokenizer, given?: string): Promise<void> {
  const reasons: string[] = [];
  for (const files of waysToKeep(tokenizer, given, reasons)) {
    if (!(await isSame(folder, files, tokenizer))) continue;
    // The vocabulary last: a run that has it has all that belongs to it.
    mkdirSync(folder, { recursive: true });
    for (const [name, bytes] of [...files].reverse()) writeWhole(join(folder, name), bytes);
    return;
  }
  fail(
    'run',
    `tokenizer.path: a run cannot keep ${given ?? 'this tokenizer'}; ${reasons.join('; ')}.`,
    'give a tokenizer.model, a tokenizer.json, a tokenizer.bin of llama2.c, or a GGUF file whose ' +
      'vocabulary one of them can hold',
  );
}

/**
 * Sets of files, the vocabulary first. Formats that cannot hold the tokenizer say so in `reasons`.
 */
function* waysToKeep(tokenizer: Tokenizer, given: string | undefined, reasons: string[]): Generator<Files> {
  if (given !== undefined) yield* copiesOf(given);
  for (const format of ['sentencepiece', 'tiktoken', 'tokenizer.json', 'llama2c'] as const) {
    try {
      yield serializeTokenizer(tokenizer, format);
    } catch (error) {
      reasons.push(`${format}: ${(error as { what?: string }).what ?? (error as Error).message}`);
    }
  }
}

/**
 * What lies at a place: a folder's vocabularies with their companions, a file alone, a file with
 * its companions.
 */
function* copiesOf(given: string): Generator<Files> {
  if (statSync(given).isDirectory()) {
    yield read(given, [...VOCABULARIES, ...COMPANIONS]);
    return;
  }
  if (beginsAsGguf(given)) return; // a whole model may hang on it
  const bytes = new Uint8Array(readFileSync(given));
  const name = names[detectFormat(bytes)];
  const main = [name, bytes] as const;
  const beside = read(dirname(given), COMPANIONS);
  // A tokenizer.json is read with what lies beside it; other files speak for themselves.
  if (name === 'tokenizer.json' || basename(given) === name) yield new Map([main, ...beside]);
  yield new Map([main]);
}

/** Under which name a vocabulary is looked for. */
const names: Readonly<Record<VocabularyFormat, string>> = {
  sentencepiece: 'tokenizer.model',
  tiktoken: 'tokenizer.model',
  'tokenizer.json': 'tokenizer.json',
  llama2c: 'tokenizer.bin',
  gguf: 'tokenizer.gguf',
};

/** By content, of which four bytes are read: a GGUF file may be larger than memory. */
function beginsAsGguf(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const magic = Buffer.alloc(4);
    readSync(file, magic, 0, 4, 0);
    return magic.toString('latin1') === 'GGUF';
  } finally {
    closeSync(file);
  }
}

/** Those of the files that are there. */
function read(folder: string, wanted: readonly string[]): Files {
  const found = wanted.filter((name) => existsSync(join(folder, name)));
  return new Map(found.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
}

/** Whether these files, alone in a folder, give the same ids for every text. */
async function isSame(folder: string, files: Files, { fingerprint }: Tokenizer): Promise<boolean> {
  if (files.size === 0) return false;
  const trial = mkdtempSync(join(folder, '.tokenizer-'));
  try {
    for (const [name, bytes] of files) writeFileSync(join(trial, name), bytes);
    return (await loadTokenizer(trial)).fingerprint === fingerprint;
  } catch {
    return false; // another way may do
  } finally {
    rmSync(trial, { recursive: true });
  }
}
