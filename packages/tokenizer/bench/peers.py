"""The other tokenizers, timed one run at a time as tokenizer.ts asks: a JSON object a line in, one a line out. argv: the folder of its files."""
import base64, gc, json, resource, subprocess, sys, time
from importlib.metadata import version

folder = sys.argv[1]
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
coders, texts, ids = {}, {}, {}


def read(name):
    with open(f'{folder}/{name}', encoding='utf-8', newline='') as file:
        return file.read()


def coder(peer, vocab):
    """(encode, decode)"""
    if (peer, vocab) not in coders:
        if peer == 'sentencepiece':
            import sentencepiece
            sp = sentencepiece.SentencePieceProcessor(model_file=f'{folder}/{vocab}.model')
            coders[peer, vocab] = sp.encode, sp.decode
        elif peer == 'tiktoken':
            import tiktoken
            with open(f'{folder}/{vocab}.model', 'rb') as file:
                ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file)}
            enc = tiktoken.Encoding('bench', pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
            coders[peer, vocab] = enc.encode_ordinary, enc.decode
        else:
            import tokenizers
            tok = tokenizers.Tokenizer.from_file(f'{folder}/{vocab}.json')
            coders[peer, vocab] = lambda text: tok.encode(text, add_special_tokens=False).ids, tok.decode
    return coders[peer, vocab]


def docs(kind):
    if kind not in texts:
        texts[kind] = json.loads(read(f'{kind}.docs.json')), read(f'{kind}.txt')
    return texts[kind]


def train(vocab_size, threads):
    import sentencepiece
    sentencepiece.SentencePieceTrainer.train(
        input=f'{folder}/train.txt', model_prefix=f'{folder}/peer-{vocab_size}', model_type='bpe', vocab_size=vocab_size, byte_fallback=True,
        split_digits=True, allow_whitespace_only_pieces=True, normalization_rule_name='identity', remove_extra_whitespaces=False,
        character_coverage=0.99995, max_sentence_length=4192, num_threads=threads, minloglevel=2)


def prepare(request):
    """What is to be timed, with everything it needs loaded."""
    peer, op = request['peer'], request['op']
    if op == 'train':
        return lambda: train(request['vocabSize'], request['threads'])
    if op == 'load':
        import sentencepiece
        return lambda: sentencepiece.SentencePieceProcessor(model_file=f'{folder}/{request["vocab"]}.model')
    encode, decode = coder(peer, request['vocab'])
    parts, whole = docs(request['kind'])
    if op == 'docs':
        return lambda: [encode(part) for part in parts]
    if op == 'whole':
        return lambda: encode(whole)
    key = request['vocab'], request['kind']
    if key not in ids:
        ids[key] = [list(encode(part)) for part in parts]
    return lambda: [decode(part) for part in ids[key]]


def answer(request):
    if request['op'] == 'versions':
        found = {}
        for name in ('sentencepiece', 'tokenizers', 'tiktoken'):
            try:
                __import__(name)
                found[name] = version(name)
            except ImportError as error:
                found[name] = None
        return found
    if request['op'] == 'train-memory':
        subprocess.run([sys.executable, __file__, folder, str(request['vocabSize'])], check=True)
        return {'megabytes': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}
    run = prepare(request)
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    gc.enable()
    del result
    return {'seconds': seconds}


if len(sys.argv) > 2:  # a process of its own, whose memory is measured
    train(int(sys.argv[2]), 1)
    sys.exit()
for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except Exception as error:
        print(json.dumps({'error': f'{type(error).__name__}: {error}'}), flush=True)
