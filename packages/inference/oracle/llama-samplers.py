"""What llama.cpp's samplers do to rows of logits, as vectors for packages/inference/test/llama-cpp.test.ts.

    python3 packages/inference/oracle/llama-samplers.py LIBLLAMA.so > scripts/support/vectors/samplers/llama-cpp.json

LIBLLAMA.so: a shared build of llama.cpp, whose C interface is called. Every case is one sampler (or a chain) over one row with a
history; it holds the candidates that are left, in the order of their ids, with their logits. Mirostat draws by itself: a case holds the
candidates of several steps and the id that it chose in each.
"""

import ctypes as c
import json
import random
import struct
import sys

llama = c.CDLL(sys.argv[1])
V = 48


class Candidate(c.Structure):
    _fields_ = [("id", c.c_int32), ("logit", c.c_float), ("p", c.c_float)]


class Candidates(c.Structure):
    _fields_ = [("data", c.POINTER(Candidate)), ("size", c.c_size_t), ("selected", c.c_int64), ("sorted", c.c_bool)]


class Vector(c.Structure):
    """std::vector: begin, end, end of storage."""

    _fields_ = [("begin", c.c_void_p), ("end", c.c_void_p), ("limit", c.c_void_p)]


def init(name, *arguments):
    function = getattr(llama, name)
    function.restype = c.c_void_p
    return function(*arguments)


f, i, n = c.c_float, c.c_int32, c.c_size_t


def dry(multiplier, base, allowed, last_n, breakers):
    inner = [(c.c_int32 * len(ids))(*ids) for ids in breakers]
    vectors = (Vector * len(inner))()
    for vector, ids in zip(vectors, inner):
        address = c.addressof(ids)
        vector.begin, vector.end, vector.limit = address, address + c.sizeof(ids), address + c.sizeof(ids)
    address = c.addressof(vectors)
    outer = Vector(address, address + c.sizeof(vectors), address + c.sizeof(vectors))
    name = "_Z30llama_sampler_init_dry_testingffiiRKSt6vectorIS_IiSaIiEESaIS1_EE"
    return init(name, f(multiplier), f(base), i(allowed), i(last_n), c.byref(outer))


SAMPLERS = {
    "topK": lambda k: init("llama_sampler_init_top_k", i(k)),
    "topP": lambda p: init("llama_sampler_init_top_p", f(p), n(0)),
    "minP": lambda p: init("llama_sampler_init_min_p", f(p), n(0)),
    "typicalP": lambda p: init("llama_sampler_init_typical", f(p), n(0)),
    "topNSigma": lambda s: init("llama_sampler_init_top_n_sigma", f(s)),
    "temperature": lambda t, r=0.0, e=1.0: init("llama_sampler_init_temp_ext", f(t), f(r), f(e)),
    "xtc": lambda p, t: init("llama_sampler_init_xtc", f(p), f(t), n(0), c.c_uint32(1)),
    "penalties": lambda last, r, fr, pr: init("llama_sampler_init_penalties", i(V), i(last), f(r), f(fr), f(pr)),
    "dry": dry,
    "mirostat1": lambda tau, eta: init("llama_sampler_init_mirostat", i(V), c.c_uint32(7), f(tau), f(eta), i(100)),
    "mirostat2": lambda tau, eta: init("llama_sampler_init_mirostat_v2", c.c_uint32(7), f(tau), f(eta)),
}

draw = random.Random(5)


def float32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def row(kind):
    spread = {"flat": 0.7, "middling": 2.5, "peaked": 6}[kind]
    return [round(draw.gauss(0, spread), 3) for _ in range(V)]


ROWS = {kind: row(kind) for kind in ("flat", "middling", "peaked")}
HISTORIES = {
    "short": [3, 4, 5],
    "repeating": [1, 2, 3, 9, 8, 1, 2, 3, 4, 7, 1, 2, 3, 4, 11, 5, 1, 2, 3, 4],
    "loop": [6, 7] * 12,
    "long": [draw.randrange(12) for _ in range(120)],
}


def apply(sampler, logits):
    data = (Candidate * V)(*[Candidate(j, float32(x), 0) for j, x in enumerate(logits)])
    array = Candidates(c.cast(data, c.POINTER(Candidate)), V, -1, False)
    llama.llama_sampler_apply(c.c_void_p(sampler), c.byref(array))
    left = [(array.data[j].id, array.data[j].logit) for j in range(array.size)]
    chosen = array.data[array.selected].id if array.selected >= 0 else None
    kept = sorted((id, round(x, 6)) for id, x in left if x > float("-inf"))
    return {"ids": [id for id, _ in kept], "logits": [x for _, x in kept]}, chosen


def case(kind, history, *chain):
    made = [SAMPLERS[name](*arguments) for name, arguments in chain]
    whole = init("llama_sampler_chain_init", c.c_bool(True))
    for sampler in made:
        llama.llama_sampler_chain_add(c.c_void_p(whole), c.c_void_p(sampler))
    for id in HISTORIES[history]:
        llama.llama_sampler_accept(c.c_void_p(whole), i(id))
    left, _ = apply(whole, ROWS[kind])
    return {"row": kind, "history": history, "chain": [[name, *arguments] for name, arguments in chain], **left}


def steps(kind, name, *arguments):
    sampler = SAMPLERS[name](*arguments)
    found = [apply(sampler, ROWS[kind]) for _ in range(6)]
    return {
        "row": kind,
        "sampler": [name, *arguments],
        "steps": [{"ids": left["ids"], "chosen": chosen} for left, chosen in found],
    }


def cases():
    for kind in ROWS:
        for k in (1, 5, 40):
            yield case(kind, "short", ("topK", [k]))
        for p in (0.1, 0.5, 0.9, 0.99):
            yield case(kind, "short", ("topP", [p]))
            yield case(kind, "short", ("typicalP", [p]))
        for p in (0.01, 0.1, 0.7):
            yield case(kind, "short", ("minP", [p]))
        for s in (0.5, 1.0, 2.0):
            yield case(kind, "short", ("topNSigma", [s]))
        for t in ([0.5], [1.5], [0.0], [1.0, 0.8, 1.0], [1.5, 1.0, 2.0], [0.5, 1.0, 0.3]):
            yield case(kind, "short", ("temperature", t))
            yield case(kind, "short", ("topK", [7]), ("temperature", t))
        for t in (0.02, 0.1, 0.3, 0.5):
            yield case(kind, "short", ("xtc", [1.0, t]))
        yield case(kind, "short", ("topK", [40]), ("typicalP", [0.9]), ("topP", [0.95]), ("minP", [0.05]), ("temperature", [0.8]))
        for history in HISTORIES:
            yield case(kind, history, ("penalties", [64, 1.3, 0.0, 0.0]))
            yield case(kind, history, ("penalties", [5, 0.8, 0.3, 0.5]))
    for history in HISTORIES:
        for allowed, last, breakers in ((2, 1000, []), (1, 1000, [[9]]), (2, 10, []), (2, 1000, [[4]]), (2, 1000, [[5, 1], [7]]), (0, 12, [])):
            yield case("middling", history, ("dry", [0.8, 1.75, allowed, last, breakers]))
    yield case("middling", "loop", ("dry", [2.0, 1.0, 2, 1000, []]))


walks = [
    steps(kind, name, tau, eta)
    for kind in ROWS
    for name in ("mirostat1", "mirostat2")
    for tau, eta in ((5.0, 0.1), (2.0, 0.5))
]
json.dump({"V": V, "rows": ROWS, "histories": HISTORIES, "cases": list(cases()), "walks": walks}, sys.stdout, separators=(",", ":"))
