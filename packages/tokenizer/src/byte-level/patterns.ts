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
  'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ' +
  'Ḁ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbe' +
  'ῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄ' +
  'Ⰰ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃';
const CJK = '[一-龥ࠀ-一가-퟿]+';
/** The same without the spaces between U+0800 and U+4E00, which llama.cpp takes for a vertical tab. */
const CJK_NO_SPACES =
  '[一-龥ࠀ-\\u167f\\u1681-\\u1fff\\u200b-\\u2027\\u202a-\\u202e\\u2030-\\u205e\\u2060-\\u2fff\\u3001-一가-퟿]+';
/** CJK, Thai, Lao, Khmer, Myanmar and Hangul as llama.cpp lists them; its U+8C48 was U+F900 once. */
const ASIAN =
  '[一-\\u9fff㐀-\\u4dbf\\u8c48-\\ufaff\\u3040-ゟ゠-ヿ･-ﾟ⼀-\\u2fdf' +
  '\\u0e40-\\u0e7f\\u0e80-\\u0eff\\u1780-\\u17ff\\u1000-႟ꩠ-ꩿꧠ-\\ua9ff가-\\ud7af\\u1100-ᇿ]+';
const HAN =
  '[\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{2a6df}\\u{2a700}-\\u{2ebef}\\u{2f800}-\\u{2fa1f}]';
const HAN_KANA = '[一-龥぀-ゟ゠-ヿ]+';
/** Numbers by threes from their end; what stands before a number goes with its first group. */
const THREES = '\\P{N}*\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))';
const NEWLINES = '[^\\n]+|[\\n]+';
/** Letters and marks, and a contraction behind them; llama.cpp knows no case outside of ASCII. */
const WORD_CONTRACTED = `[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+${CONTRACTIONS}?`;
const ASCII_PUNCTUATION = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]';
const DEEPSEEK3_WORDS = `${ASCII_PUNCTUATION}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+`;

/**
 * Words cut where small letters meet capitals, with llama.cpp's reading of the two kinds: all
 * letters but a-z, but A-Z.
 */
const camelCase = (ending: string, letter = '\\p{L}'): string => {
  const [upper, lower] = [`((?=${letter})[^a-z])`, `((?=${letter})[^A-Z])`];
  const first = '[^\\r\\n\\p{L}\\p{N}]?';
  return `${first}${upper}*${lower}+${ending}|${first}${upper}+${lower}*${ending}`;
};
const CAMEL_SYMBOLS = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*';
const ENGLISH_AND_OTHERS = ' ?[^(\\s|.,!?…。，、।۔،)]+';
const WIDE_SPACES = [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `\\s{${n}}(?!\\S)`).join('|');

const TABLE: readonly (readonly [names: string, PreTokenizer])[] = [
  ['llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano', LLAMA3],
  [
    'gpt-2 mpt olmo jais phi-2 trillion granite-docling exaone4 gigachat mellum a.x-4.0 ' +
      'jina-es jina-de jina-v2-es jina-v2-de modern-bert',
    GPT2,
  ],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b mellum2', DIGITS_GPT2],
  ['qwen2 stablelm2 hunyuan megrez solar-open deepseek-r1-qwen kormo f2llmv2 grok-2', QWEN2],
  ['dbrx smaug-bpe chatglm-bpe', LLAMA3_MERGED],
  ['glm4 glm5', whole(LLAMA3_PATTERN)],
  [
    'deepseek-llm',
    plain(
      steps(
        '[\\r\\n]',
        `\\s?[${CASED}]+`,
        '\\s?[!-/:-~！-／：-～‘-‟\\u3001-。]+',
        '\\s+$',
        CJK_NO_SPACES,
        '\\p{N}+',
      ),
    ),
  ],
  ['deepseek-coder', plain(steps('[\\r\\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', CJK_NO_SPACES, DIGIT))],
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
      `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|` +
        ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+',
    ),
  ],
  ['minicpm5', whole(steps('\\p{N}{1,3}', LLAMA3_PATTERN.replace('{1,3}', '+')))],
  [
    'spark2_5',
    plain(
      steps('\\p{N}{1,3}', HAN_KANA, `${DEEPSEEK3_WORDS}| ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+`, DIGIT),
    ),
  ],
  [
    'youtu',
    whole(
      steps(
        `[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|${HAN_KANA}`,
        `${WORD_CONTRACTED}|\\p{N}|${CAMEL_SYMBOLS}|${SPACES}`,
      ),
    ),
  ],
  [
    'kimi-k2',
    plain(
      `${HAN}+|[^\\r\\n\\p{L}\\p{N}]?(?:(?!${HAN})\\p{L})+${CONTRACTIONS}?|\\p{N}{1,3}|${SYMBOLS}|${SPACES}`,
    ),
  ],
  ['afmoe', plain(steps(THREES, ASIAN, `${DEEPSEEK3_WORDS}| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`))],
  ['tiny_aya cohere2moe', plain(steps(THREES, `${WORD_CONTRACTED}|\\p{N}{1,3}|${CAMEL_SYMBOLS}|${SPACES}`))],
  ['laguna', plain(steps(NEWLINES, QWEN2_PATTERN))],
  ['ufakzeka', plain(`${WORD}|\\p{N}|${SYMBOLS}|${SPACES}`)],
  [
    'granite-embed-multi-97m',
    whole(`${camelCase(`${CONTRACTIONS}?`, '[\\p{L}\\p{M}]')}|\\p{N}{1,3}|${CAMEL_SYMBOLS}|${SPACES}`),
  ],
  [
    'chameleon',
    {
      ...plain(
        steps(
          '<sentinel:[0-9]+>',
          'IMGIMG[A-I]{1,4}Z',
          '[\\t\\n]|    |  ',
          DIGIT,
          '[\\p{P}!-/:-@\\[-`{-~]',
          GPT2_PATTERN,
        ),
      ),
      addsBos: true,
    },
  ],
  ['superbpe', plain(steps('\\p{N}+', '(?=([0-9]{3})+(?![0-9]))'))],
];

/**
 * Names for vocabularies of another kind, and what it is: BPE over pieces with ▁ for a space instead
 * of bytes, words of embedding models. No LLaMA has one.
 */
export const otherPreTokenizers: ReadonlyMap<string, string> = new Map([
  ['gemma4', 'Gemma 4, which merges pieces instead of bytes'],
  ['granite-embed-multi-311m', 'an embedding model that merges pieces instead of bytes'],
  ['sarvam-moe', 'Sarvam, which merges pieces instead of bytes'],
  ['whitespace', 'an embedding model that merges pieces instead of bytes'],
  ['jina-v1-en', 'an embedding model that ends texts with a separator'],
  ['jina-v2-code', 'an embedding model that ends texts with a separator'],
  ['roberta-bpe', 'an embedding model that ends texts with a separator'],
]);

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
    const cjk = (name: string, last: string): { name: string; pattern: SplitPattern } => {
      const own = preTokenizers.get(name)?.pattern as readonly SplitStep[]; // steps, as the table has it
      const theirs = own.slice(0, -2).map(({ pattern }) => pattern.replace('\\u3001-。', '　-。'));
      return { name, pattern: steps(...theirs, CJK, last) };
    };
    return [
      { name: 'tekken', pattern: `${words('')}|\\p{N}|${CAMEL_SYMBOLS}|${SPACES}` },
      { name: 'gpt-4o', pattern: `${words(`${CONTRACTIONS}?`)}|\\p{N}{1,3}|${CAMEL_SYMBOLS}|${SPACES}` },
      { name: 'gpt-2', pattern: GPT2_ORIGINAL },
      cjk('deepseek-llm', DIGIT),
      cjk('deepseek-coder', DIGIT),
    ];
  })();
