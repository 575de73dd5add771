"""SentencePiece models of many kinds and what sentencepiece makes of some texts: one JSON object to stdout.

argv: a JSON list of texts; without it those of test/vectors/sentencepiece.json, which this makes.
"""
import base64
import json
import os
import random
import sys
import tempfile

import sentencepiece

SAMPLE = ('The llama and the 42 alpacas: "größe", 日本語 and more, the llama ran 1234 times.\n'
          "x y and a b, it's HelloWorld, café and naïve; one llama, two llamas.\n") * 30
RULES = [('①', '1'), ('ﬁ', 'fi'), ('\u3000', ' '), ('é', 'e\u0301'), ('ABC', 'abc'), ('AB', 'x'), ('\u200b', '')]
PARTS = ['a', 'b', 'a b', 'x y', 'x', ' ', '  ', '▁', '▁▁', 'the', ' the', '<tool>', '\n', '①', 'a▁b', '▁x▁y', 'llama', '\u3000', 'ﬁ', 'é', 'ABC',
         'AB', '\u200b', '日本', '🦙', '\ufeff', '42']
random.seed(1)
TEXTS = ['', ' ', '   ', ' the llama ', 'a b', 'x y', '<tool>', 'ABCAB'] + [
    ''.join(random.choice(PARTS) for _ in range(random.randint(1, 9))) for _ in range(120)]
if len(sys.argv) > 1:
    with open(sys.argv[1], encoding='utf-8') as file:
        TEXTS = json.load(file)
SPACED = ['<tool>', 'a b', 'a▁b', '▁x▁y', '▁▁', '①']
plain = dict(normalization_rule_name='identity', remove_extra_whitespaces=False)

KINDS = {
    'unigram': dict(model_type='unigram', byte_fallback=True, **plain),
    'unigram without bytes': dict(model_type='unigram', byte_fallback=False, **plain),
    'unigram that trims': dict(model_type='unigram', byte_fallback=True, normalization_rule_name='identity'),
    'unigram with a character map': dict(model_type='unigram', byte_fallback=False, rules=True),
    'unigram with user-defined pieces': dict(model_type='unigram', byte_fallback=True, rules=True, user_defined_symbols=SPACED),
    'BPE with user-defined pieces': dict(model_type='bpe', byte_fallback=True, user_defined_symbols=SPACED, **plain),
    'BPE that trims, with user-defined pieces': dict(
        model_type='bpe', byte_fallback=True, user_defined_symbols=SPACED, normalization_rule_name='identity'),
    'BPE with a character map': dict(model_type='bpe', byte_fallback=True, rules=True, user_defined_symbols=SPACED),
    'BPE without a dummy space': dict(model_type='bpe', byte_fallback=True, add_dummy_prefix=False, user_defined_symbols=SPACED, **plain),
    'BPE with spaces behind': dict(model_type='bpe', byte_fallback=True, treat_whitespace_as_suffix=True, normalization_rule_name='identity'),
}

models = []
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open('sample.txt', 'w', encoding='utf-8') as file:
        file.write(SAMPLE)
    with open('rules.tsv', 'w', encoding='utf-8') as file:
        for source, target in RULES:
            code = lambda text: ' '.join(f'{ord(character):X}' for character in text)
            file.write(f'{code(source)}\t{code(target)}\n')
    for name, kind in KINDS.items():
        kind = dict(kind)
        if kind.pop('rules', False):
            kind['normalization_rule_tsv'] = 'rules.tsv'
        size = 360 if kind['byte_fallback'] else 90
        sentencepiece.SentencePieceTrainer.train(
            input='sample.txt', model_prefix='m', vocab_size=size, hard_vocab_limit=False, num_threads=1, minloglevel=2, **kind)
        sp = sentencepiece.SentencePieceProcessor(model_file='m.model')
        ids = [sp.encode(text) for text in TEXTS]
        with open('m.model', 'rb') as file:
            model = base64.b64encode(file.read()).decode()
        models.append({'name': name, 'model': model, 'ids': ids, 'decoded': [sp.decode(list_) for list_ in ids]})
print(json.dumps({'texts': TEXTS, 'models': models}, ensure_ascii=False))
