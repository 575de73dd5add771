/*
 * Other programs as oracles: npm run oracle:checkpoint [-- --llama-cpp BUILD --llama-cpp-source
 * SOURCE] [--python PYTHON] [--keep FOLDER]
 *
 * Installs safetensors, gguf, torch and transformers from PyPI into a virtual environment outside
 * the repository (or takes the Python that is named). With a build of llama.cpp, its logits and its
 * llama-quantize are compared too.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convertCheckpoint, openCheckpoint, readImportance, type Vocabulary } from '@cria/checkpoint';
import { GgufFile } from '@cria/checkpoint/formats';
import { nativeQuantizer } from '@cria/cpu';
import { type GgufEntry, PieceList, SentencePieceTokenizer, serializeTokenizer } from '@cria/tokenizer';
import { configs, divergence, ids, logitsOf, mixNames, writeModels } from './models.ts';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    'llama-cpp': { type: 'string' },
    'llama-cpp-source': { type: 'string' },
    keep: { type: 'string' },
  },
});
const here = fileURLToPath(new URL('.', import.meta.url));
const vocabulary = fileURLToPath(new URL('../../../../shared/data/models/tok512.bin', import.meta.url));
/** What the converter of llama.cpp has no line for in a LLaMA, where ours gives the logits of transformers. */
const lostByConverter: Readonly<Record<string, string>> = { 'yarn-mscale': 'mscale and the betas of yarn' };
const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'cria-oracle-'));
let failed = 0;

function check(what: string, good: boolean, detail = ''): void {
  if (!good) failed++;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${what} ${detail}`);
}

function run(program: string, args: readonly string[], environment = {}): string {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, ...environment },
  });
  if (result.status === 0) return result.stdout;
  throw new Error(
    `[oracle] ${program} ${args[0]} ended with ${result.status ?? result.error}: ` +
      `${result.stderr.slice(-2000)}${result.stdout.slice(-2000)}`,
  );
}

function findPython(): string {
  if (values.python !== undefined) return values.python;
  const venv = join(homedir(), '.cache/cria-oracle');
  const python = join(venv, 'bin/python');
  if (!existsSync(python)) {
    console.log(`installing safetensors, gguf, torch, transformers into ${venv}`);
    run('python3', ['-m', 'venv', venv]);
    run(python, ['-m', 'pip', 'install', '-q', 'numpy', 'safetensors', 'gguf', 'torch', 'transformers']);
  }
  return python;
}

const floats = (path: string) => new Float32Array(readFileSync(path).buffer.slice(0));

await writeModels(folder, vocabulary);
console.log(`models of ${Object.keys(configs).join(', ')} in ${folder}`);
const python = spawnSync(findPython(), [join(here, 'oracle.py'), folder], {
  stdio: ['ignore', 'inherit', 'pipe'],
  encoding: 'utf8',
});
if (python.status !== 0) {
  failed++;
  console.log(python.stderr.slice(-3000));
}

for (const [name, config] of Object.entries(configs)) {
  const root = join(folder, name);
  const theirs = floats(join(root, 'transformers.logits'));
  for (const path of [
    'hf',
    'hf-shards',
    'f32.gguf',
    'meta-1',
    'meta-2',
    'by-transformers',
    'by-torch',
    'by-gguf.gguf',
  ]) {
    const kl = divergence(theirs, await logitsOf(join(root, path)), config.vocabSize);
    check(
      `${name}: logits of ${path} are those of transformers`,
      Math.abs(kl) < 1e-9,
      `KL ${kl.toExponential(1)}`,
    );
  }
  // The same weights with the rows of wq and wk in the wrong order must be told apart.
  const source = await openCheckpoint(join(root, 'hf'));
  const wrong = new Map(
    [...source.tensors].map(([key, weight]) => [key, { ...weight, halfSplit: undefined }]),
  );
  await convertCheckpoint({ ...source, tensors: wrong }, join(root, 'wrong.gguf'), { to: 'gguf' });
  const kl = divergence(theirs, await logitsOf(join(root, 'wrong.gguf')), config.vocabSize);
  check(`${name}: a wrong RoPE order is seen`, kl > 1e-7, `KL ${kl.toExponential(1)}`);
}

await compareFamilies();
if (values['llama-cpp'] !== undefined) {
  await compareFamiliesInLlamaCpp(values['llama-cpp']);
  await compareLlamaCpp(values['llama-cpp']);
} else console.log('skipped: llama.cpp (--llama-cpp BUILD --llama-cpp-source SOURCE)');
if (values.keep === undefined) rmSync(folder, { recursive: true });
console.log(failed === 0 ? 'all checks passed' : `${failed} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;

/**
 * Relatives that transformers makes, one configuration each: its logits from its files, and from
 * what is converted out of them.
 */
async function compareFamilies(): Promise<void> {
  const families = join(folder, 'families');
  run(findPython(), [join(here, '../test/vectors/families.py'), families]);
  const tokens = JSON.parse(readFileSync(join(families, 'ids.json'), 'utf8')) as number[];
  const names = readdirSync(families, { withFileTypes: true }).filter((each) => each.isDirectory());
  for (const { name } of names) {
    const path = join(families, name);
    const theirs = floats(join(path, 'logits.f32'));
    const { vocabSize } = (await openCheckpoint(path)).config;
    const compare = async (what: string, at: string) => {
      const ours = await logitsOf(at, tokens);
      const kl = divergence(theirs, ours, vocabSize);
      check(
        `${name}: logits of ${what} are those of transformers`,
        Math.abs(kl) < 1e-9,
        `KL ${kl.toExponential(1)}`,
      );
      const [a, b] = [lossOf(theirs, tokens, vocabSize), lossOf(ours, tokens, vocabSize)];
      check(
        `${name}: loss and likeliest ids of ${what}`,
        Math.abs(a.loss - b.loss) < 1e-5 && a.best === b.best,
      );
    };
    await compare('its files', path);
    for (const to of ['hf', 'gguf', 'meta'] as const) {
      const at = join(families, `${name}.${to}`);
      try {
        await convertCheckpoint(await openCheckpoint(path), at, { to });
      } catch (error) {
        console.log(`none ${name}: ${to}: ${(error as Error).message}`);
        continue;
      }
      await compare(to, at);
    }
  }
}

/** Mean cross entropy of the next token, and the likeliest id of every row. */
function lossOf(
  logits: Float32Array,
  tokens: readonly number[],
  vocabulary: number,
): { loss: number; best: string } {
  let loss = 0;
  const best: number[] = [];
  for (let t = 0; t < tokens.length; t++) {
    const row = logits.subarray(t * vocabulary, (t + 1) * vocabulary);
    const max = Math.max(...row);
    best.push(row.indexOf(max));
    if (t + 1 === tokens.length) break;
    loss +=
      Math.log(row.reduce((sum, value) => sum + Math.exp(value - max), 0)) +
      max -
      (row[tokens[t + 1] ?? 0] ?? 0);
  }
  return { loss: loss / (tokens.length - 1), best: best.join() };
}

async function compareLlamaCpp(build: string): Promise<void> {
  const bin = join(build, 'bin');
  const environment = { LD_LIBRARY_PATH: bin };
  for (const [name, config] of Object.entries(configs)) {
    const root = join(folder, name);
    for (const mix of mixNames) {
      const path = join(root, `${mix}.llama-quantize.gguf`);
      run(join(bin, 'llama-quantize'), [join(root, 'f32.gguf'), path, mix, '2'], environment);
      await compareBlocks(`${name}: ${mix} as llama-quantize makes it`, join(root, `${mix}.gguf`), path);
    }
    if (existsSync(join(bin, 'llama-imatrix'))) await compareImportance(name, root, bin, environment);
    else console.log('skipped: importance (build the target llama-imatrix too)');
    const program = logitsProgram(bin);
    if (program === undefined) continue;
    const ours = await logitsOf(join(root, 'f32.gguf'));
    const out = join(root, 'llama-cpp.logits');
    run(program, [join(root, 'f32.gguf'), out, ...ids.map(String)], environment);
    const kl = divergence(floats(out), ours, config.vocabSize);
    check(`${name}: logits of f32.gguf by llama.cpp`, Math.abs(kl) < 1e-9, `KL ${kl.toExponential(1)}`);
  }
}

/** `logits.cc`, built beside this llama.cpp; undefined where its source is not named. */
function logitsProgram(bin: string): string | undefined {
  const source = values['llama-cpp-source'];
  if (source === undefined) return undefined;
  const program = join(folder, 'logits');
  if (existsSync(program)) return program;
  const includes = [`-I${join(source, 'include')}`, `-I${join(source, 'ggml/include')}`];
  const libraries = ['-lllama', '-lggml', '-lggml-base', '-lggml-cpu', `-L${bin}`, `-Wl,-rpath,${bin}`];
  run('g++', ['-O2', '-std=c++17', ...includes, join(here, 'logits.cc'), '-o', program, ...libraries]);
  return program;
}

/**
 * The relatives as GGUF files of this converter: llama.cpp's logits of them beside ours, and so
 * beside those of transformers. It shows that scaled RoPE, biases and widths of heads are written as
 * llama.cpp reads them. Its llama architecture has no windows: such files must be told apart.
 */
async function compareFamiliesInLlamaCpp(build: string): Promise<void> {
  const bin = join(build, 'bin');
  const program = logitsProgram(bin);
  if (program === undefined)
    return console.log('skipped: relatives in llama.cpp (--llama-cpp-source SOURCE)');
  const families = join(folder, 'families');
  const tokens = JSON.parse(readFileSync(join(families, 'ids.json'), 'utf8')) as number[];
  for (const { name } of readdirSync(families, { withFileTypes: true }).filter((each) =>
    each.isDirectory(),
  )) {
    if (/\.(hf|meta|converter)$/.test(name)) continue;
    const source = await openCheckpoint(join(families, name));
    const { vocabSize, slidingWindow } = source.config;
    const path = join(families, `${name}.llama-cpp.gguf`);
    try {
      await convertCheckpoint(source, path, { to: 'gguf', vocabulary: plainVocabulary(vocabSize) });
    } catch (error) {
      console.log(`none ${name}: llama.cpp: ${(error as Error).message}`);
      continue;
    }
    const out = join(families, `${name}.llama-cpp.logits`);
    run(program, [path, out, ...tokens.map(String)], { LD_LIBRARY_PATH: bin });
    const kl = divergence(floats(out), await logitsOf(path, tokens), vocabSize);
    const shown = `KL ${kl.toExponential(1)}`;
    await compareConverter(name, join(families, name), tokens, floats(out));
    if (slidingWindow === undefined) check(`${name}: logits by llama.cpp`, Math.abs(kl) < 1e-9, shown);
    else check(`${name}: llama.cpp has no window in this architecture`, kl > 1e-9, shown);
  }
}

/** The same folder through llama.cpp's own converter: both programs give the file what `theirs` are for ours. */
async function compareConverter(
  name: string,
  from: string,
  tokens: readonly number[],
  theirs: Float32Array,
): Promise<void> {
  const source = values['llama-cpp-source'] ?? '';
  const [copy, path] = [`${from}.converter`, `${from}.converter.gguf`];
  cpSync(from, copy, { recursive: true });
  const { vocabSize, slidingWindow } = (await openCheckpoint(from)).config;
  for (const [file, bytes] of serializeTokenizer(plainPieces(vocabSize), 'sentencepiece'))
    writeFileSync(join(copy, file), bytes);
  const environment = { PYTHONPATH: join(source, 'gguf-py'), PYTHONDONTWRITEBYTECODE: '1' };
  try {
    const given = [copy, '--outfile', path, '--outtype', 'f32'];
    run(findPython(), [join(source, 'convert_hf_to_gguf.py'), ...given], environment);
  } catch (error) {
    return console.log(`none ${name}: convert_hf_to_gguf.py: ${(error as Error).message.slice(-300)}`);
  }
  const bin = join(values['llama-cpp'] ?? '', 'bin');
  const out = `${from}.converter.logits`;
  run(join(folder, 'logits'), [path, out, ...tokens.map(String)], { LD_LIBRARY_PATH: bin });
  const same = divergence(theirs, floats(out), vocabSize);
  const ours = divergence(floats(out), await logitsOf(path, tokens), vocabSize);
  const shown = `KL ${same.toExponential(1)}, ${ours.toExponential(1)}`;
  const read = slidingWindow !== undefined || Math.abs(ours) < 1e-9;
  const told = lostByConverter[name];
  if (told !== undefined)
    check(`${name}: convert_hf_to_gguf.py leaves out ${told}`, read && same > 1e-9, shown);
  else {
    const good = read && Math.abs(same) < 1e-9;
    check(`${name}: convert_hf_to_gguf.py gives a file of the same logits, there and here`, good, shown);
  }
}

function plainPieces(size: number): SentencePieceTokenizer {
  const special = ['<unk>', '<s>', '</s>'];
  const pieces = Array.from({ length: size }, (_, id) => {
    const type = id === 0 ? 2 : id < special.length ? 3 : 1;
    return { piece: special[id] ?? String.fromCodePoint(0x4e00 + id), score: -id, type };
  });
  const settings = { byteFallback: false, unkId: 0, bosId: 1, eosId: 2 };
  return SentencePieceTokenizer.fromPieces(PieceList.from(pieces), settings);
}

/** So many pieces that mean nothing: llama.cpp loads no model without a vocabulary. */
function plainVocabulary(size: number): Vocabulary {
  const ids = Array.from({ length: size }, (_, id) => id);
  const gguf = new Map<string, GgufEntry>([
    ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: ids.map((id) => `<piece ${id}>`) }],
    ['tokenizer.ggml.scores', { type: 'array', of: 'f32', value: ids.map((id) => -id) }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: ids.map((id) => (id === 0 ? 2 : 1)) }],
  ]);
  return { files: new Map(), gguf };
}

/** Statistics by llama-imatrix in both of its forms, and blocks weighed by them as llama-quantize weighs them. */
async function compareImportance(
  name: string,
  root: string,
  bin: string,
  environment: object,
): Promise<void> {
  const [full, text] = [join(root, 'f32.gguf'), join(root, 'text.txt')];
  const sentences = Array.from(
    { length: 200 },
    (_, i) =>
      `Llama ${i} went to the village, found ${(i * 37) % 101} apples and was ${i % 3 ? 'glad' : 'sad'}.`,
  );
  writeFileSync(text, sentences.join('\n'));
  const forms: ReadonlyMap<string, Float32Array>[] = [];
  for (const form of ['gguf', 'dat']) {
    const path = join(root, `imatrix.${form}`);
    const given = ['-m', full, '-f', text, '-o', path, '--output-format', form];
    run(join(bin, 'llama-imatrix'), [...given, '-c', '64', '--chunks', '16', '-t', '2'], environment);
    forms.push(await readImportance(path));
  }
  const [importance = new Map<string, Float32Array>(), older = new Map<string, Float32Array>()] = forms;
  const furthest = Math.max(
    ...[...importance].flatMap(([key, sums]) =>
      Array.from(sums, (value, c) => Math.abs((older.get(key)?.[c] ?? NaN) / value - 1)),
    ),
  );
  check(
    `${name}: both forms of llama-imatrix say the same of ${importance.size} weights`,
    importance.size === 7 * configs[name]!.nLayers && older.size === importance.size && furthest < 1e-5,
    `furthest ${furthest.toExponential(1)}`,
  );
  using quantizer = nativeQuantizer();
  const source = await openCheckpoint(full);
  for (const mix of mixNames) {
    const [ours, theirs] = [join(root, `${mix}.weighed.gguf`), join(root, `${mix}.imatrix.gguf`)];
    const file = join(root, 'imatrix.gguf');
    run(join(bin, 'llama-quantize'), ['--imatrix', file, full, theirs, mix, '2'], environment);
    const options = { to: 'gguf', quantize: mix, importance, ...(quantizer ? { quantizer } : {}) } as const;
    await convertCheckpoint(source, ours, options);
    await compareBlocks(`${name}: ${mix} weighed by importance as llama-quantize makes it`, ours, theirs);
  }
}

async function compareBlocks(what: string, ours: string, theirs: string): Promise<void> {
  const [a, b] = [await GgufFile.open(ours), await GgufFile.open(theirs)];
  let [blocks, different, types] = [0, 0, 0];
  for (const [name, tensor] of b.tensors) {
    const mine = a.tensors.get(name);
    if (mine?.dtype !== tensor.dtype) {
      types++;
      continue;
    }
    const [x, y] = [await a.read(name), await b.read(name)];
    blocks += x.length;
    for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) different++;
  }
  check(
    what,
    types === 0 && different === 0,
    `${blocks} bytes, ${different} different; ${types} of other types`,
  );
}
