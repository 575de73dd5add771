/** Hugging Face's `tokenizer.json`, in the layouts of Llama 1/2 (legacy and Metaspace) and of byte-level models (Llama 3, GPT-2), read. */
import { requireAlphabetBytes } from './byte-alphabet.ts';
import { ByteLevelTokenizer } from './byte-level.ts';
import { checkOptions, failure } from './errors.ts';
import { isSpaces, resolveMerges, spacesComeLast } from './merge-list.ts';
import { BYTE, CONTROL, NORMAL, PieceList, UNKNOWN, type Piece } from './piece-list.ts';
import { SentencePieceTokenizer } from './sentencepiece.ts';
import { GPT2_PATTERN } from './split-patterns.ts';
import { TokenBytes } from './token-bytes.ts';
import { encodeUtf8 } from './utf8.ts';
import { describeWrongFile } from './wrong-file.ts';

export interface TokenizerJsonOptions {
  /** The text of `tokenizer_config.json`: names the BOS, EOS, UNK and PAD tokens. Without it they are guessed from their usual names. */
  readonly config?: string;
}

type Json = null | boolean | number | string | Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

const OP = 'readTokenizerJson';

/** Throws, naming the part, on every setting that these tokenizers would not follow exactly. */
export function readTokenizerJson(
  text: string,
  options: TokenizerJsonOptions = {},
): SentencePieceTokenizer | ByteLevelTokenizer {
  checkOptions(OP, options, ['config']);
  const root = parseObject(text, 'tokenizer.json');
  const model = object(root['model']);
  if (model === undefined || (model['type'] ?? 'BPE') !== 'BPE')
    throw unsupported(`a model of type ${JSON.stringify(model?.['type'])}`);
  for (const name of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix']) {
    const value = model[name];
    if (value !== null && value !== undefined && value !== '' && value !== 0)
      throw unsupported(`${name} ${JSON.stringify(value)}`);
  }
  const vocab = readVocab(model['vocab']);
  const added = readAdded(root['added_tokens']);
  const tokens = tokensById(vocab, added);
  const merges = model['merges'];
  if (!Array.isArray(merges)) throw failure(OP, 'model.merges is no list', 'the file is damaged');
  const parts: Parts = {
    root,
    tokens,
    added,
    merges,
    vocab,
    ignoreMerges: model['ignore_merges'] === true,
    unkToken: typeof model['unk_token'] === 'string' ? model['unk_token'] : undefined,
    roles: readRoles(
      root,
      added,
      options.config === undefined ? undefined : parseObject(options.config, 'tokenizer_config.json'),
    ),
  };
  return model['byte_fallback'] === true ? sentencePiece(parts) : byteLevel(parts);
}

interface Parts {
  readonly root: JsonObject;
  readonly vocab: ReadonlyMap<string, number>;
  /** By id; '' where no token has it. */
  readonly tokens: readonly string[];
  readonly added: readonly AddedToken[];
  readonly merges: readonly Json[];
  readonly ignoreMerges: boolean;
  readonly unkToken: string | undefined;
  readonly roles: Readonly<Record<'bos' | 'eos' | 'unk' | 'pad', number | undefined>>;
}

function sentencePiece({
  root,
  tokens,
  added,
  merges,
  vocab,
  ignoreMerges,
  unkToken,
  roles,
}: Parts): SentencePieceTokenizer {
  if (ignoreMerges) throw unsupported('ignore_merges in a vocabulary with byte fallback');
  const plain = added.find(({ special }) => !special);
  if (plain !== undefined)
    throw unsupported(`the added token ${JSON.stringify(plain.content)}, which is not special,`);
  const special = new Set(added.map(({ id }) => id));
  const list = resolveMerges(OP, merges, vocab);
  const scores = new Float64Array(tokens.length);
  let next = 0;
  // A piece is worth as much as its first merge is early; pieces that no merge makes come last and never compete.
  const merged = new Uint8Array(tokens.length);
  const lastScores = spacesComeLast(tokens, list);
  list.forEach((_left, _right, id) => {
    if (merged[id] === 0) scores[id] = lastScores && isSpaces(tokens[id]) ? -1e9 : -next++;
    merged[id] = 1;
  });
  const pieces = PieceList.from(
    tokens.map((piece, id): Piece => {
      if (piece === '') throw failure(OP, `no token has the id ${id}`, 'the file is damaged');
      const isByte = !special.has(id) && /^<0x[0-9A-Fa-f]{2}>$/.test(piece);
      const type =
        piece === unkToken || id === roles.unk ? UNKNOWN : special.has(id) ? CONTROL : isByte ? BYTE : NORMAL;
      return { piece, type, score: type !== NORMAL ? 0 : merged[id] === 1 ? scores[id] : -next++ };
    }),
  );
  const space = spaceRule(root);
  return SentencePieceTokenizer.fromPieces(
    pieces,
    {
      addDummyPrefix: space !== undefined,
      unkId: roles.unk ?? 0,
      bosId: roles.bos ?? -1,
      eosId: roles.eos ?? -1,
      padId: roles.pad ?? -1,
    },
    { merges: list, prefix: space?.prefix ?? 'always', prefixBeforeSpace: space?.beforeSpace ?? true },
  );
}

/** How spaces become `▁` and where one is put in front. Undefined: nowhere. */
function spaceRule(root: JsonObject): { prefix: 'always' | 'first'; beforeSpace: boolean } | undefined {
  const normalizer = object(root['normalizer']);
  const pre = object(root['pre_tokenizer']);
  if (pre === undefined) {
    const steps =
      normalizer === undefined
        ? []
        : normalizer['type'] === 'Sequence'
          ? list(normalizer['normalizers'])
          : [normalizer];
    const kinds = steps.map((step) => {
      const one = object(step);
      if (one?.['type'] === 'Prepend' && one['prepend'] === '▁') return 'prepend';
      if (one?.['type'] === 'Replace' && object(one['pattern'])?.['String'] === ' ' && one['content'] === '▁')
        return 'replace';
      throw unsupported(`the normalizer ${JSON.stringify(step)}`);
    });
    if (kinds.join() === 'prepend,replace') return { prefix: 'always', beforeSpace: true };
    if (kinds.join() === 'replace') return undefined;
    throw unsupported('a normalizer that leaves spaces as they are');
  }
  if (normalizer !== undefined)
    throw unsupported('a normalizer together with a pre-tokenizer in a vocabulary with byte fallback');
  if (pre['type'] !== 'Metaspace' || pre['replacement'] !== '▁' || pre['split'] !== false)
    throw unsupported(`the pre-tokenizer ${JSON.stringify(pre)}`);
  const scheme = pre['prepend_scheme'] ?? (pre['add_prefix_space'] === false ? 'never' : 'always');
  if (scheme === 'never') return undefined;
  if (scheme !== 'first' && scheme !== 'always')
    throw unsupported(`prepend_scheme ${JSON.stringify(scheme)}`);
  return { prefix: scheme, beforeSpace: false };
}

function byteLevel({ root, tokens, added, merges, vocab, ignoreMerges, roles }: Parts): ByteLevelTokenizer {
  if (root['normalizer'] !== null && root['normalizer'] !== undefined)
    throw unsupported(`the normalizer ${JSON.stringify(root['normalizer'])}`);
  const literal = new Map(added.map((token) => [token.id, token]));
  return new ByteLevelTokenizer({
    tokens: TokenBytes.from(
      tokens.map((token, id) => (literal.has(id) ? encodeUtf8(token) : requireAlphabetBytes(OP, token))),
    ),
    specialTokens: new Map(added.filter(({ special }) => special).map(({ content, id }) => [content, id])),
    addedTokens: new Map(added.filter(({ special }) => !special).map(({ content, id }) => [content, id])),
    pattern: splitPattern(object(root['pre_tokenizer'])),
    merges: resolveMerges(OP, merges, vocab),
    wholeChunks: ignoreMerges,
    bosId: roles.bos,
    eosId: roles.eos,
    unkId: roles.unk,
    padId: roles.pad,
  });
}

function splitPattern(pre: JsonObject | undefined): string {
  const steps =
    pre === undefined ? [] : pre['type'] === 'Sequence' ? list(pre['pretokenizers']).map(object) : [pre];
  const last = steps.at(-1);
  if (last?.['type'] !== 'ByteLevel') throw unsupported(`the pre-tokenizer ${JSON.stringify(pre)}`);
  if (last['add_prefix_space'] === true) throw unsupported('add_prefix_space');
  if (steps.length === 1 && last['use_regex'] !== false) return GPT2_PATTERN;
  const split = steps[0];
  const pattern = object(split?.['pattern'] ?? null)?.['Regex'];
  const isolated =
    split?.['type'] === 'Split' && split['behavior'] === 'Isolated' && split['invert'] !== true;
  if (steps.length !== 2 || last['use_regex'] !== false || !isolated || typeof pattern !== 'string') {
    throw unsupported(`the pre-tokenizer ${JSON.stringify(pre)}`);
  }
  return pattern;
}

function readVocab(value: Json | undefined): ReadonlyMap<string, number> {
  const entries = Object.entries(object(value) ?? {});
  if (entries.length === 0) throw failure(OP, 'model.vocab is missing or empty', 'the file is damaged');
  return new Map(entries.map(([token, id]) => [token, requireId(id, token)]));
}

function readAdded(value: Json | undefined): AddedToken[] {
  return list(value ?? []).map((item) => {
    const token = object(item);
    const content = token?.['content'];
    if (token === undefined || typeof content !== 'string' || content === '')
      throw failure(OP, `an added token is ${JSON.stringify(item)}`, 'the file is damaged');
    for (const flag of ['lstrip', 'rstrip', 'single_word'])
      if (token[flag] === true) throw unsupported(`${flag} on the token ${JSON.stringify(content)}`);
    return { id: requireId(token['id'], content), content, special: token['special'] === true };
  });
}

function tokensById(vocab: ReadonlyMap<string, number>, added: readonly AddedToken[]): string[] {
  let highest = -1;
  for (const id of vocab.values()) highest = Math.max(highest, id);
  for (const { id } of added) highest = Math.max(highest, id);
  if (highest > 2 * (vocab.size + added.length))
    throw failure(OP, `the id ${highest} in a vocabulary of ${vocab.size} tokens`, 'the file is damaged');
  const tokens = new Array<string>(highest + 1).fill('');
  for (const [token, id] of vocab) {
    if (tokens[id] !== '') throw failure(OP, `the id ${id} is given to two tokens`, 'the file is damaged');
    tokens[id] = token;
  }
  for (const { id, content } of added) tokens[id] = content;
  return tokens;
}

/** Which tokens begin, end and fill sequences: from tokenizer_config.json, else by their usual names. */
function readRoles(
  root: JsonObject,
  added: readonly AddedToken[],
  config: JsonObject | undefined,
): Parts['roles'] {
  const ids = new Map(added.map(({ content, id }) => [content, id]));
  const fromTemplate = list(object(root['post_processor'])?.['single'] ?? []).map(
    (item) => object(object(item)?.['SpecialToken'] ?? null)?.['id'],
  )[0];
  const role = (key: string, ...usual: readonly unknown[]): number | undefined => {
    const named = config?.[key];
    const name = typeof named === 'string' ? named : object(named ?? null)?.['content'];
    if (config !== undefined && name !== undefined)
      return typeof name === 'string' ? ids.get(name) : undefined;
    for (const candidate of usual)
      if (typeof candidate === 'string' && ids.has(candidate)) return ids.get(candidate);
    return undefined;
  };
  return {
    bos: role('bos_token', fromTemplate, '<s>', '<|begin_of_text|>', '<|endoftext|>'),
    eos: role('eos_token', '</s>', '<|end_of_text|>', '<|endoftext|>'),
    unk: role('unk_token', '<unk>'),
    pad: role('pad_token', '<pad>', '<|finetune_right_pad_id|>'),
  };
}

function requireId(value: Json | undefined, token: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 1 << 24) {
    throw failure(
      OP,
      `the id of ${JSON.stringify(token)} is ${JSON.stringify(value)}`,
      'the file is damaged',
    );
  }
  return value;
}

function parseObject(text: string, name: string): JsonObject {
  const wrong = describeWrongFile(encodeUtf8(text.slice(0, 1024)));
  if (wrong !== undefined) throw failure(OP, `${name} is ${wrong.what}`, wrong.hint);
  let value: Json;
  try {
    value = JSON.parse(text) as Json; // what JSON.parse returns
  } catch (error) {
    throw failure(OP, `${name} is no JSON (${(error as Error).message})`, 'the file is damaged');
  }
  const root = object(value);
  if (root === undefined) throw failure(OP, `${name} holds no object`, 'the file is damaged');
  return root;
}

function object(value: Json | undefined): JsonObject | undefined {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : undefined;
}

function list(value: Json | undefined): readonly Json[] {
  if (!Array.isArray(value))
    throw failure(
      OP,
      `${JSON.stringify(value)?.slice(0, 60)} stands where a list should`,
      'the file is damaged',
    );
  return value;
}

function unsupported(what: string): Error {
  return failure(OP, `${what} is not supported`, 'the layouts of Llama 1, 2 and 3 and of GPT-2 are');
}
