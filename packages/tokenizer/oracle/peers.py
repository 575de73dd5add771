"""The other tokenizers, for tokenizer.ts. argv: a job file (JSON). Prints one JSON object a line.

encode jobs write little-endian int32: for each string its number of ids, then the ids.
"""
import array, base64, json, sys, unicodedata
from importlib.metadata import version

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def say(**fields):
    print(json.dumps(fields), flush=True)


def ranges():
    """Code points assigned in this Python's Unicode version, without surrogates and private use."""
    found, start = [], None
    for code in range(0x110001):
        known = code < 0x110000 and unicodedata.category(chr(code)) not in ('Cn', 'Cs', 'Co')
        if known and start is None:
            start = code
        elif not known and start is not None:
            found.append([start, code - 1])
            start = None
    say(unicode=unicodedata.unidata_version, ranges=found)


def tiktoken_encoding(path):
    import tiktoken
    with open(path, 'rb') as file:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file)}
    return tiktoken.Encoding('oracle', pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def coder(peer, model):
    """(encode, decode) of a peer."""
    if peer == 'sentencepiece':
        import sentencepiece
        sp = sentencepiece.SentencePieceProcessor(model_file=model)
        return sp.encode, sp.decode
    if peer == 'tiktoken':
        enc = tiktoken_encoding(model)
        return enc.encode_ordinary, enc.decode
    import tokenizers
    tok = tokenizers.Tokenizer.from_file(model)
    return lambda text: tok.encode(text, add_special_tokens=False).ids, lambda ids: tok.decode(ids, skip_special_tokens=False)


def encode(job):
    run, _ = coder(job['peer'], job['model'])
    with open(job['strings'], encoding='utf-8') as lines, open(job['out'], 'wb') as out:
        for number, line in enumerate(lines):
            if number >= job['limit']:
                break
            ids = run(json.loads(line))
            array.array('i', [len(ids), *ids]).tofile(out)


def decode(job):
    _, run = coder(job['peer'], job['model'])
    with open(job['ids'], encoding='utf-8') as lines, open(job['out'], 'w', encoding='utf-8') as out:
        for line in lines:
            out.write(json.dumps(run(json.loads(line))) + '\n')


def train_sentencepiece(job):
    import sentencepiece
    sentencepiece.SentencePieceTrainer.train(
        input=job['text'], model_prefix=job['out'], model_type='bpe', vocab_size=job['vocab_size'], byte_fallback=True, split_digits=True,
        allow_whitespace_only_pieces=True, normalization_rule_name='identity', remove_extra_whitespaces=False, character_coverage=0.99995,
        max_sentence_length=4192, num_threads=1, minloglevel=2)


def train_byte_level(job):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), 'isolated'), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    with open(job['text'], encoding='utf-8', newline='') as file:
        text = file.read()
    tok.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=job['vocab_size'], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    pieces = [piece for piece, _ in sorted(tok.get_vocab().items(), key=lambda entry: entry[1])]
    with open(job['out'], 'w', encoding='utf-8') as out:
        json.dump(pieces, out)


RUNS = {'encode': encode, 'decode': decode, 'train-sentencepiece': train_sentencepiece, 'train-byte-level': train_byte_level}

with open(sys.argv[1], encoding='utf-8') as file:
    todo = json.load(file)
if 'ranges' in todo:
    ranges()
    for name in ('sentencepiece', 'tokenizers', 'tiktoken'):
        try:
            __import__(name)
            say(peer=name, version=version(name))
        except ImportError as error:
            say(peer=name, missing=str(error))
for job in todo.get('jobs', []):
    try:
        RUNS[job['run']](job)
        say(done=job['name'])
    except Exception as error:  # told to the caller, who compares refusals too
        say(failed=job['name'], why=f'{type(error).__name__}: {error}')
