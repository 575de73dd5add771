"""Times the other tokenizers on the files that tokenizer.ts wrote. argv: folder, comma-separated parts. One JSON object a line."""
import json, sys, time, resource
from importlib.metadata import version
from statistics import median

folder, parts = sys.argv[1], sys.argv[2].split(',')
slow = 'slow' in parts


def emit(name, peer, seconds, **more):
    print(json.dumps({'name': name, 'peer': peer, 'seconds': seconds, **more}), flush=True)


def timed(run, rounds=3):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return median(times)


def read(name):
    return open(f'{folder}/{name}', encoding='utf-8', newline='').read()


def loops(kind, vocab, peer, encode, decode, whole=True):
    docs = json.loads(read(f'{kind}.docs.json'))
    emit(f'encode {vocab} {kind} docs', peer, timed(lambda: [encode(doc) for doc in docs]))
    ids = [encode(doc) for doc in docs]
    emit(f'decode {vocab} {kind} docs', peer, timed(lambda: [decode(x) for x in ids]), tokens=sum(map(len, ids)))
    if whole:
        text = read(f'{kind}.txt')
        emit(f'encode {vocab} {kind} whole', peer, timed(lambda: encode(text), 1))


try:
    import sentencepiece
    label = f'sentencepiece {version("sentencepiece")}'
    model = f'{folder}/llama.model'
    if 'encode' in parts:
        sp = sentencepiece.SentencePieceProcessor(model_file=model)
        emit('load llama', label, timed(lambda: sentencepiece.SentencePieceProcessor(model_file=model), 20))
        for kind in ('english', 'code'):
            loops(kind, 'llama', label, sp.encode, sp.decode)
    if 'train' in parts:
        for vocab in (4096, 32000):
            for threads in (1, 2):
                emit(f'train {vocab} {threads} threads', label, timed(lambda: sentencepiece.SentencePieceTrainer.train(
                    input=f'{folder}/train.txt', model_prefix=f'{folder}/peer-{vocab}', model_type='bpe', vocab_size=vocab, byte_fallback=True,
                    split_digits=True, allow_whitespace_only_pieces=True, normalization_rule_name='identity', remove_extra_whitespaces=False,
                    character_coverage=0.99995, max_sentence_length=4192, num_threads=threads, minloglevel=2), 3),
                    peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
except ImportError as error:
    emit('skipped', 'sentencepiece', 0, reason=str(error))

try:
    import tokenizers
    label = f'tokenizers {version("tokenizers")}'
    if 'encode' in parts:
        for vocab in ('llama', 'llama3'):
            tok = tokenizers.Tokenizer.from_file(f'{folder}/{vocab}.json')
            for kind in ('english', 'code'):
                loops(kind, vocab, label, lambda doc: tok.encode(doc, add_special_tokens=False).ids, tok.decode, slow or vocab == 'llama3')
except ImportError as error:
    emit('skipped', 'tokenizers', 0, reason=str(error))

try:
    import base64, tiktoken
    label = f'tiktoken {version("tiktoken")}'
    if 'encode' in parts:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in open(f'{folder}/llama3.model', 'rb'))}
        pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        enc = tiktoken.Encoding('llama3', pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        for kind in ('english', 'code'):
            loops(kind, 'llama3', label, enc.encode_ordinary, enc.decode)
except ImportError as error:
    emit('skipped', 'tiktoken', 0, reason=str(error))
