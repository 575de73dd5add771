"""tokenizer.json files of many kinds and what Hugging Face tokenizers makes of some texts: one JSON object to stdout.

argv: a JSON list of texts; without it those of test/vectors/tokenizer-json.json, which this makes.

A case is a base vocabulary with some of its parts replaced; `tokenizer.json` = {...bases[base], ...parts}, with `model` merged.
"""
import json
import sys

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SAMPLE = ('The llama and the 42 alpacas: "größe", 日本語 and more — the llama ran 1234 times.\n'
          "\tif (x === 1) return; it's HelloWorld, café and naïve.\n") * 8
TEXTS = [
    '', ' ', '   ', 'the llama', ' the llama', '  two  spaces\r\n\n\tand tabs ', "It's 123456 größe 🦙👩‍👩‍👧 日本 ▁x",
    'a<tool>b <tool> c<tool>', '<s>the</s> <|end|>the  <|end|>  llama', 'xwordx word word.word, the word', '  <pad>  <mask>  x',
    'e\u0301 caf\u00e9 \ufb01 ① \u00a0\u3000x', "don't DON'T we'LL HelloWorld ÉCOLE", '1,234.5 ½ ٣ 12345678', '!!! ??? (a) [b] {c}_d',
    'zzzz\u0001 ====', 'the<a><a><b>the<b>', 'line one\nline two\n\n\nline three', 'İSTANBUL ΣΑΣ', '<TOOL> <tool>the',
]


def token(id, content, **flags):
    fields = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=False)
    return {'id': id, 'content': content, **fields, **flags}


def byte_level_base():
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.train_from_iterator([SAMPLE], trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tok.decoder = decoders.ByteLevel()
    return json.loads(tok.to_str())


def pieces_base():
    tok = Tokenizer(models.BPE(unk_token='<unk>', byte_fallback=True, fuse_unk=True))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme='always', split=True)
    specials = ['<unk>', '<s>', '</s>'] + [f'<0x{byte:02X}>' for byte in range(256)]
    tok.train_from_iterator([SAMPLE], trainers.BpeTrainer(vocab_size=520, special_tokens=specials, show_progress=False))
    base = json.loads(tok.to_str())
    base['added_tokens'] = [token(i, name, special=True) for i, name in enumerate(['<unk>', '<s>', '</s>'])]
    base['decoder'] = {'type': 'Sequence', 'decoders': [
        {'type': 'Replace', 'pattern': {'String': '▁'}, 'content': ' '}, {'type': 'ByteFallback'}, {'type': 'Fuse'},
        {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}]}
    return base


def unigram_base():
    tok = Tokenizer(models.Unigram())
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme='always', split=True)
    tok.train_from_iterator([SAMPLE], trainers.UnigramTrainer(
        vocab_size=150, special_tokens=['<unk>', '<s>', '</s>'], unk_token='<unk>', show_progress=False))
    base = json.loads(tok.to_str())
    base['decoder'] = {'type': 'Metaspace', 'replacement': '▁', 'prepend_scheme': 'always', 'split': True}
    return base


BYTE = {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}
RAW = {**BYTE, 'use_regex': False}
REPLACE = {'type': 'Replace', 'pattern': {'String': ' '}, 'content': '▁'}
PREPEND = {'type': 'Prepend', 'prepend': '▁'}


def sequence(*steps):
    return {'type': 'Sequence', 'pretokenizers': list(steps)}


def norms(*steps):
    return {'type': 'Sequence', 'normalizers': list(steps)}


def split(pattern, behavior='Isolated', invert=False, kind='Regex'):
    return {'type': 'Split', 'pattern': {kind: pattern}, 'behavior': behavior, 'invert': invert}


def metaspace(scheme='always', split=True):
    return {'type': 'Metaspace', 'replacement': '▁', 'prepend_scheme': scheme, 'split': split}


def digits(each):
    return {'type': 'Digits', 'individual_digits': each}


QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
CAMEL = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
         r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_cases(size):
    pre = lambda value, **more: {'pre_tokenizer': value, **more}
    yield 'gpt-2', pre(BYTE)
    yield 'prefix space', pre({**BYTE, 'add_prefix_space': True})
    yield 'prefix space without the expression', pre({**RAW, 'add_prefix_space': True})
    yield 'smollm', pre(sequence(digits(True), BYTE))
    yield 'digits together', pre(sequence(digits(False), BYTE))
    yield 'digits and a prefix', pre(sequence(digits(True), {**BYTE, 'add_prefix_space': True}))
    yield 'qwen2', pre(sequence(split(QWEN), RAW))
    yield 'cl100k', pre(sequence(split(CL100K), RAW))
    yield 'camel case', pre(sequence(split(CAMEL), RAW))
    yield 'punctuation', pre(sequence({'type': 'Punctuation', 'behavior': 'Isolated'}, BYTE))
    yield 'contiguous punctuation', pre(sequence({'type': 'Punctuation', 'behavior': 'Contiguous'}, RAW))
    yield 'words only', pre(sequence({'type': 'Whitespace'}, RAW))
    yield 'split at white space', pre(sequence({'type': 'WhitespaceSplit'}, RAW))
    yield 'bert', pre(sequence({'type': 'BertPreTokenizer'}, RAW))
    yield 'delimiter', pre(sequence({'type': 'CharDelimiterSplit', 'delimiter': 'l'}, RAW))
    for behavior in ('Isolated', 'Removed', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'):
        yield f'split {behavior}', pre(sequence(split('[ a]', behavior), RAW))
        yield f'split {behavior}, inverted', pre(sequence(split('[a-z]+', behavior, True), RAW))
    yield 'literal split', pre(sequence(split('a.', kind='String'), RAW), added_tokens=[])
    yield 'line ends', pre(sequence(split(r'\s+$'), split(r'^\w'), RAW))
    yield 'deepseek', pre(sequence(split('[\r\n]'), split(r'\s?\p{L}+'), split(r'\s?\p{P}+'), split('[一-龥ࠀ-一가-퟿]+'), digits(True), RAW))
    for name, step in (('NFC', {'type': 'NFC'}), ('NFD', {'type': 'NFD'}), ('NFKC', {'type': 'NFKC'}), ('NFKD', {'type': 'NFKD'}),
                       ('Lowercase', {'type': 'Lowercase'}), ('StripAccents', norms({'type': 'NFD'}, {'type': 'StripAccents'})),
                       ('Strip', {'type': 'Strip', 'strip_left': True, 'strip_right': True}),
                       ('Strip right', {'type': 'Strip', 'strip_left': False, 'strip_right': True}),
                       ('Replace', {'type': 'Replace', 'pattern': {'Regex': r' {2,}'}, 'content': '$1'}), ('Prepend', {'type': 'Prepend', 'prepend': 'x '})):
        yield f'normalizer {name}', pre(BYTE, normalizer=step)
    special = dict(special=True)
    added = lambda *tokens, **more: pre(BYTE, added_tokens=list(tokens), **more)
    yield 'special tokens', added(token(size, '<s>', **special), token(size + 1, '</s>', **special), token(size + 2, '<|end|>', **special))
    yield 'added, not special', added(token(size, '<tool>'), token(size + 1, ' word'), token(size + 2, '  '))
    yield 'lstrip', added(token(size, '<tool>', lstrip=True), token(size + 1, '<|end|>', lstrip=True, **special), token(size + 2, '<mask>', lstrip=True))
    yield 'rstrip', added(token(size, '<tool>', rstrip=True), token(size + 1, '<|end|>', rstrip=True, **special), token(size + 2, '<pad>', rstrip=True))
    yield 'both strips', added(token(size, '<pad>', rstrip=True, lstrip=True), token(size + 1, '<mask>', rstrip=True, lstrip=True), token(size + 2, '<|end|>', lstrip=True, rstrip=True))
    yield 'single words', added(token(size, 'word', single_word=True), token(size + 1, 'the', single_word=True))
    yield 'normalized', added(token(size, '<TOOL>', normalized=True), token(size + 1, '<PAD>'), normalizer={'type': 'Lowercase'})
    yield 'normalized and not', added(token(size, '<a>'), token(size + 1, '<a><b>', normalized=True), token(size + 2, '<a><a>', normalized=True))
    yield 'overlapping', added(token(size, '<a>', **special), token(size + 1, '<a><b>'), token(size + 2, '<b>'))
    yield 'whole chunks', pre(BYTE, model={'ignore_merges': True})


def piece_cases(size):
    for scheme in ('always', 'first', 'never'):
        for cut in (True, False):
            yield f'Metaspace {scheme}{", split" if cut else ""}', {'pre_tokenizer': metaspace(scheme, cut)}
    yield 'legacy Metaspace', {'pre_tokenizer': {'type': 'Metaspace', 'replacement': '▁', 'add_prefix_space': True}}
    legacy = {'normalizer': norms(PREPEND, REPLACE), 'pre_tokenizer': None}
    yield 'legacy', legacy
    yield 'no prefix', {'normalizer': REPLACE, 'pre_tokenizer': None}
    yield 'NFKC before', {'normalizer': norms({'type': 'NFKC'}, PREPEND, REPLACE), 'pre_tokenizer': None}
    yield 'strip and collapse', {'normalizer': norms(
        {'type': 'Strip', 'strip_left': False, 'strip_right': True}, {'type': 'Replace', 'pattern': {'Regex': ' {2,}'}, 'content': '▁'}),
        'pre_tokenizer': metaspace('always')}
    yield 'NFC and Metaspace', {'normalizer': {'type': 'NFC'}, 'pre_tokenizer': metaspace('first', False)}
    yield 'gemma', {'normalizer': REPLACE, 'pre_tokenizer': split(' ', 'MergedWithPrevious', kind='String')}
    yield 'white space and Metaspace', {'pre_tokenizer': sequence({'type': 'WhitespaceSplit'}, metaspace('always'))}
    yield 'digits and Metaspace', {'pre_tokenizer': sequence(digits(True), metaspace('always'))}
    base = [token(0, '<unk>', special=True), token(1, '<s>', special=True), token(2, '</s>', special=True)]
    more = [token(size, '<tool>'), token(size + 1, '<|end|>', special=True, rstrip=True), token(size + 2, 'word', single_word=True)]
    for name, parts in (('legacy', legacy), ('first', {'pre_tokenizer': metaspace('first', False)}), ('always', {'pre_tokenizer': metaspace('always', False)})):
        yield f'added tokens, {name}', {**parts, 'added_tokens': base + more}
        late = [{**one, 'normalized': True} for one in more]
        yield f'normalized added tokens, {name}', {**parts, 'added_tokens': base + late}


def unigram_cases(size):
    yield 'unigram', {}
    yield 'unigram without cuts', {'pre_tokenizer': metaspace('always', False)}
    yield 'unigram NFKC', {'normalizer': {'type': 'NFKC'}}


def build(base, parts):
    root = {**base, **parts}
    root['model'] = {**base['model'], **parts.get('model', {})}
    return root


if len(sys.argv) > 1:
    with open(sys.argv[1], encoding='utf-8') as file:
        TEXTS = json.load(file)
bases = {'bytes': byte_level_base(), 'pieces': pieces_base(), 'unigram': unigram_base()}
cases = []
for name, make in (('bytes', byte_cases), ('pieces', piece_cases), ('unigram', unigram_cases)):
    for label, parts in make(len(bases[name]['model']['vocab'])):
        tok = Tokenizer.from_str(json.dumps(build(bases[name], parts)))
        ids = [tok.encode(text, add_special_tokens=False).ids for text in TEXTS]
        decoded = [tok.decode(list_, skip_special_tokens=False) for list_ in ids]
        cases.append({'name': label, 'base': name, 'parts': parts, 'ids': ids, 'decoded': decoded})
print(json.dumps({'texts': TEXTS, 'bases': bases, 'cases': cases}, ensure_ascii=False))
