/**
 * The split patterns that LLaMA's relatives use, in tiktoken's dialect, and llama.cpp's names for
 * them (`tokenizer.ggml.pre`). A name's steps are what llama.cpp does for it, also where the
 * model's own tokenizer.json differs a little.
 */
import type { SplitPattern, SplitStep } from '../text/splitter.ts';

/** Contractions in either case, as Llama 3's pattern begins. */
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
/**
 * How most patterns end: line ends with the space before them, space before a word without its last
 * character, other space.
 */
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const SYMBOLS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*';
const WORD = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';

/** Llama 3's (and cl100k's form of) split: up to three digits. */
export const LLAMA3_PATTERN = `${CONTRACTIONS}|${WORD}|\\p{N}{1,3}|${SYMBOLS}|${SPACES}`;
/** The same with digits one by one: Qwen 2, StableLM 2. */
export const QWEN2_PATTERN = `${CONTRACTIONS}|${WORD}|\\p{N}|${SYMBOLS}|${SPACES}`;
export const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** GPT-2's as it stands in its own source. */
export const GPT2_ORIGINAL =
  "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
export const DIGIT = '\\p{N}';

/** What a name of `tokenizer.ggml.pre` stands for. */
export interface PreTokenizer {
  readonly pattern: SplitPattern;
  /** A chunk that is a token as a whole is that token. */
  readonly wholeChunks: boolean;
  /** Texts begin with BOS where the file does not say. */
  readonly addsBos: boolean;
}

const steps = (...patterns: readonly string[]): readonly SplitStep[] =>
  patterns.map((pattern) => ({ pattern }));
const LLAMA3 = { pattern: LLAMA3_PATTERN, wholeChunks: true, addsBos: true };
const plain = (pattern: SplitPattern): PreTokenizer => ({ pattern, wholeChunks: false, addsBos: false });
const whole = (pattern: SplitPattern): PreTokenizer => ({ pattern, wholeChunks: true, addsBos: false });

const GPT2 = plain(GPT2_PATTERN);
const DIGITS_GPT2 = plain(steps(DIGIT, GPT2_PATTERN));
const QWEN2 = plain(QWEN2_PATTERN);
const LLAMA3_MERGED = plain(LLAMA3_PATTERN);

/**
 * Letters of scripts with case, as DeepSeek-LLM's tokenizer.json lists them (an older Unicode's).
 */
const CASED =
  'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbe' +
  'ῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃';
const CJK = '[一-龥ࠀ-一가-퟿]+';
const HAN_KANA = '[一-龥぀-ゟ゠-ヿ]+';
const ASCII_PUNCTUATION = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]';
const DEEPSEEK3_WORDS = `${ASCII_PUNCTUATION}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+`;

/**
 * Words cut where small letters meet capitals, with llama.cpp's reading of the two kinds: all
 * letters but a-z, but A-Z.
 */
const UPPER = '((?=\\p{L})[^a-z])';
const LOWER = '((?=\\p{L})[^A-Z])';
const camelCase = (ending: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+${ending}|[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*${ending}`;
const CAMEL_SYMBOLS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*';
const ENGLISH_AND_OTHERS = ' ?[^(\\s|.,!?…。，、।۔،)]+';
const WIDE_SPACES = [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `\\s{${n}}(?!\\S)`).join('|');

const TABLE: readonly (readonly [names: string, PreTokenizer])[] = [
  ['llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2', LLAMA3],
  [
    'gpt-2 mpt olmo jais phi-2 trillion granite-docling exaone4 gigachat mellum a.x-4.0 jina-es jina-de jina-v2-es jina-v2-de modern-bert',
    GPT2,
  ],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b mellum2', DIGITS_GPT2],
  ['qwen2 stablelm2 hunyuan megrez solar-open deepseek-r1-qwen kormo f2llmv2 grok-2', QWEN2],
  ['dbrx smaug-bpe glm4 chatglm-bpe', LLAMA3_MERGED],
  [
    'deepseek-llm',
    plain(steps('[\\r\\n]', `\\s?[${CASED}]+`, '\\s?[!-/:-~！-／：-～‘-‟　-。]+', '\\s+$', CJK, '\\p{N}+')),
  ],
  ['deepseek-coder', plain(steps('[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', CJK, DIGIT))],
  [
    'deepseek-v3 hunyuan-dense joyai-llm hy_v4',
    plain(steps('\\p{N}{1,3}', HAN_KANA, `${DEEPSEEK3_WORDS}| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`)),
  ],
  ['falcon', plain(steps('[\\p{P}\\$\\+<=>\\^~\\|`]+', GPT2_PATTERN, '[0-9][0-9][0-9]'))],
  ['default', plain(steps('[\\p{P}\\$\\+<=>\\^~\\|]+', GPT2_PATTERN, '\\p{N}+', '[0-9][0-9][0-9]'))],
  ['poro-chat bloom gpt3-finnish', plain(ENGLISH_AND_OTHERS)],
  ['viking', plain(steps(ENGLISH_AND_OTHERS, DIGIT))],
  [
    'tekken',
    { pattern: `${camelCase('')}|\\p{N}|${CAMEL_SYMBOLS}|${SPACES}`, wholeChunks: true, addsBos: true },
  ],
  [
    'gpt-4o llama4 kanana2 talkie minimax-m2',
    plain(`${camelCase(`${CONTRACTIONS}?`)}|\\p{N}{1,3}|${CAMEL_SYMBOLS}|${SPACES}`),
  ],
  [
    'jais-2',
    plain(
      `${CONTRACTIONS}|${WORD}|\\p{N}{1,3}|${SYMBOLS}|\\s*[\\r\\n]+|${WIDE_SPACES}|\\s{1,2}(?!\\S)|\\s{1}`,
    ),
  ],
  [
    'qwen35',
    plain(
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`,
    ),
  ],
  ['seed-coder', plain(`${CONTRACTIONS}|${WORD}|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${SPACES}`)],
  [
    'bailingmoe bailingmoe2 llada-moe',
    plain(`${CONTRACTIONS}|${WORD}|\\p{N}|${SYMBOLS}|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`),
  ],
  [
    'exaone-moe',
    plain(
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|` +
        '\\s*[\\r\\n]|\\s+(?!\\S)|\\s+',
    ),
  ],
  ['minicpm5', whole(steps('\\p{N}{1,3}', LLAMA3_PATTERN.replace('{1,3}', '+')))],
  ['superbpe', plain(steps('\\p{N}+', '(?=([0-9]{3})+(?![0-9]))'))],
];

/** llama.cpp's pre-tokenizers by name. */
export const preTokenizers: ReadonlyMap<string, PreTokenizer> = new Map(
  TABLE.flatMap(([names, pre]) => names.split(' ').map((name) => [name, pre] as const)),
);

/** The patterns of published tokenizer.json files for names whose own form above is llama.cpp's. */
export const publishedPatterns: readonly { readonly name: string; readonly pattern: SplitPattern }[] =
  (() => {
    const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
    const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
    const words = (ending: string): string =>
      `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${ending}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${ending}`;
    const deepseek = preTokenizers.get('deepseek-llm')?.pattern;
    return [
      { name: 'tekken', pattern: `${words('')}|\\p{N}|${CAMEL_SYMBOLS}|${SPACES}` },
      { name: 'gpt-4o', pattern: `${words(`${CONTRACTIONS}?`)}|\\p{N}{1,3}|${CAMEL_SYMBOLS}|${SPACES}` },
      { name: 'gpt-2', pattern: GPT2_ORIGINAL },
      {
        name: 'deepseek-llm',
        pattern: [
          ...(Array.isArray(deepseek) ? (deepseek as readonly SplitStep[]).slice(0, -1) : []),
          { pattern: DIGIT },
        ],
      },
    ];
  })();
