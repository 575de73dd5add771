# Matrix products by other libraries, for bench/cpu.ts --python: one JSON request a line, one answer a line.
#   {"form": "linear" | "linearGradInput" | "linearGradWeight", "dtype": "f32" | "bf16", "rows", "columns", "k", "threads"}
#   → [{"gflops": number, "peer": "PyTorch 2.9 (MKL)"}, …], one for each library here that has that dtype
# PyTorch's products are MKL's and oneDNN's, NumPy's those of the OpenBLAS it was built with.
import json, sys, time

try:
    import torch
except ImportError:
    torch = None
try:
    import numpy
    from threadpoolctl import threadpool_info, threadpool_limits
except ImportError:
    numpy = None

SECONDS = 0.3


def blas():
    """The library behind NumPy's products, as it names itself."""
    for library in threadpool_info():
        if library["user_api"] == "blas" and "numpy" in library["filepath"]:
            return f"{library['internal_api']} {library['version']} {library.get('architecture', '')}".strip()
    return "unknown BLAS"


def median_rate(multiply, flops):
    multiply()
    times = []
    end = time.perf_counter() + SECONDS
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        multiply()
        times.append(time.perf_counter() - start)
    return flops / sorted(times)[len(times) // 2] / 1e9


def shapes(form, rows, columns, k):
    """Of the left and right factor as they lie in memory; whether each is read transposed."""
    if form == "linear":
        return (rows, k), False, (columns, k), True
    if form == "linearGradInput":
        return (rows, columns), False, (columns, k), False
    return (rows, columns), True, (rows, k), False


def answer(request):
    form, rows, columns, k = (request[key] for key in ("form", "rows", "columns", "k"))
    a, ta, b, tb = shapes(form, rows, columns, k)
    flops = 2 * rows * columns * k
    found = []
    if torch is not None:
        torch.set_num_threads(request["threads"])
        dtype = torch.bfloat16 if request["dtype"] == "bf16" else torch.float32
        x, y = torch.randn(*a).to(dtype), torch.randn(*b).to(dtype)
        left, right = x.t() if ta else x, y.t() if tb else y
        out = torch.empty(left.shape[0], right.shape[1], dtype=dtype)
        with torch.inference_mode():
            rate = median_rate(lambda: torch.mm(left, right, out=out), flops)
        found.append((rate, f"PyTorch {torch.__version__} ({'oneDNN' if request['dtype'] == 'bf16' else 'MKL'})"))
    if numpy is not None and request["dtype"] == "f32":
        x, y = (numpy.random.rand(*shape).astype(numpy.float32) for shape in (a, b))
        left, right = x.T if ta else x, y.T if tb else y
        out = numpy.empty((left.shape[0], right.shape[1]), numpy.float32)
        with threadpool_limits(request["threads"]):
            found.append((median_rate(lambda: numpy.matmul(left, right, out=out), flops), f"NumPy {numpy.__version__} ({blas()})"))
    return [{"gflops": rate, "peer": peer} for rate, peer in found]


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
