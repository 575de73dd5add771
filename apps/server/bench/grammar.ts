/*
 * Constrained output beside web-xgrammar on one vocabulary, in one run: the vocabulary made ready,
 * a schema of five fields compiled (CPU time), and the mask of every token of a text that fits it.
 *   npm run bench -- grammar --tokenizer FILE [--peers FOLDER] [--no-peer] [--json]
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileSchema, Matcher, TokenTrie } from '@cria/grammar';
import { loadTokenizer } from '@cria/tokenizer/node';
import { median, report } from '../../../scripts/support/report.ts';
import { byLetters, webXgrammar } from './_web-xgrammar.ts';

const { values } = parseArgs({
  options: {
    tokenizer: { type: 'string' },
    peers: { type: 'string', default: join(tmpdir(), 'cria-bench-web-xgrammar') },
    'no-peer': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
if (values.tokenizer === undefined) throw new Error('[bench] no vocabulary. hint: --tokenizer FILE');

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    tags: { type: 'array', items: { type: 'string' } },
    kind: { enum: ['person', 'place', 'thing'] },
    active: { type: 'boolean' },
  },
  required: ['name', 'age', 'tags', 'kind', 'active'],
  additionalProperties: false,
};
const value = {
  name: 'Ada Lovelace, countess and mathematician',
  age: 36,
  tags: ['analytical engine', 'poetry of numbers', 'née Byron'],
  kind: 'person',
  active: false,
};

const tokenizer = await loadTokenizer(values.tokenizer);
const { vocabSize, specialTokens, eosId } = tokenizer;
const stopIds = eosId === undefined ? [] : [eosId];
const tokens = Array.from({ length: vocabSize }, (_, id) => tokenizer.tokenBytes(id));
const ids = longestPieces(JSON.stringify(value));

/** The text in the longest pieces first: what a tokenizer puts before a text is not in it. */
function longestPieces(json: string): number[] {
  const key = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
  const idOf = new Map(tokens.map((bytes, id) => [key(bytes), id]));
  let rest = key(new TextEncoder().encode(json));
  const found: number[] = [];
  while (rest !== '') {
    const length =
      Array.from({ length: 32 }, (_, i) => 32 - i).find((each) => idOf.has(rest.slice(0, each))) ?? 1;
    found.push(idOf.get(rest.slice(0, length)) ?? 0);
    rest = rest.slice(length);
  }
  return found;
}

interface Figures {
  readonly vocabulary: number;
  readonly compile: number;
  /** Of every token of the text, the first time and the second, milliseconds. */
  readonly first: readonly number[];
  readonly again: readonly number[];
}

const ours = await measureOurs();
const peer = values['no-peer'] ? undefined : await measurePeer();
const size = `${Math.round(vocabSize / 1000)}k`;
for (const [name, of, target] of [
  ['vocabulary', (each: Figures) => each.vocabulary, undefined],
  ['schema of 5 fields', (each: Figures) => each.compile, 5],
  ['mask, median of a first text', (each: Figures) => median([...each.first]), undefined],
  ['mask, worst of a first text', (each: Figures) => Math.max(...each.first), undefined],
  ['mask, median of the next text', (each: Figures) => median([...each.again]), undefined],
] as const) {
  const row = { name: `${name}, ${size} ids`, threads: 1, value: of(ours), unit: 'ms' };
  const beside = peer && { peer: 'web-xgrammar', peerValue: of(peer), ratio: of(peer) / of(ours), target };
  report({ ...row, ...beside }, values.json);
}

/** Milliseconds of CPU: other programs run beside. */
async function timed<T>(work: () => T | Promise<T>): Promise<[T, number]> {
  const before = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  return [result, (user + system) / 1000];
}

/** Masks are shorter than the CPU clock's ticks. */
async function walk(mask: () => unknown, accept: (id: number) => void): Promise<number[]> {
  const times: number[] = [];
  for (const id of ids) {
    const begun = performance.now();
    await mask();
    times.push(performance.now() - begun);
    accept(id);
  }
  return times;
}

async function measureOurs(): Promise<Figures> {
  const [trie, vocabulary] = await timed(() =>
    TokenTrie.of(tokens, { endIds: stopIds, excluded: specialTokens.values() }),
  );
  const [grammar, compile] = await timed(() => compileSchema(schema));
  const matcher = new Matcher(grammar, trie);
  const bits = new Uint32Array(trie.words);
  const once = () => {
    const constraint = matcher.start();
    return walk(
      () => constraint.mask(bits),
      (id) => constraint.accept(id),
    );
  };
  return { vocabulary, compile, first: await once(), again: await once() };
}

async function measurePeer(): Promise<Figures> {
  const { TokenizerInfo, GrammarCompiler, GrammarMatcher } = webXgrammar(values.peers);
  const pieces = tokens.map((bytes, id) => (bytes.length === 0 ? `<${id}>` : byLetters(bytes)));
  const [info, vocabulary] = await timed(() =>
    TokenizerInfo.createTokenizerInfo(pieces, 'byte_level', false, vocabSize, stopIds),
  );
  const compiler = await GrammarCompiler.createGrammarCompiler(info, false);
  const [compiled, compile] = await timed(() => compiler.compileJSONSchema(JSON.stringify(schema), false));
  const once = async () => {
    const matcher = await GrammarMatcher.createGrammarMatcher(compiled);
    return walk(
      () => matcher.getNextTokenBitmask(),
      (id) => void matcher.acceptToken(id),
    );
  };
  return { vocabulary, compile, first: await once(), again: await once() };
}
