// Runs attention kernels on problems from standard input and writes the results to standard output,
// as raw little-endian numbers.
//
// A problem: int32 {op, T, S, H, K, E, blockSize, maxBlocks, blocks, reverse, half, stored,
// window}, float scale, then the arrays that `op` names below. `reverse` takes the units in
// descending order; `half`: all arrays of activations are bf16; `stored`: how caches are. Built
// once an instruction set: g++ -DCRIA_ISA=avx2 -mavx2 -mfma -mf16c -I ../../../simd/cpp driver.cc
#include "../paged.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#ifdef __linux__
#include <sys/mman.h>
#endif

using namespace cria::CRIA_ISA;
using namespace cria::CRIA_ISA::attention;

namespace {

enum Op { FORWARD, BACKWARD, PAGED, EXP, BENCH_FORWARD, BENCH_BACKWARD, BENCH_PAGED, PEAK, READ };

/**
 * Large arrays in huge pages, as the CPU device has them: rows of one head lie far apart, and small
 * pages cost up to 15 %.
 */
void* allocate(size_t bytes) {
  const size_t huge = size_t{2} << 20;
  // exactly as large as asked, so that a sanitizer sees every step beyond
  if (bytes < huge) return malloc(bytes);
  bytes = (bytes + huge - 1) / huge * huge;
  void* memory = aligned_alloc(huge, bytes);
#ifdef __linux__
  madvise(memory, bytes, MADV_HUGEPAGE);
#endif
  return memory;
}

template <class T>
struct Array {
  T* data;
  size_t size;
  explicit Array(size_t size) : data(static_cast<T*>(allocate(size * sizeof(T)))), size(size) {}
  Array(const Array&) = delete;
  ~Array() { free(data); }
  Array& read() {
    if (fread(data, sizeof(T), size, stdin) != size) exit(3);
    return *this;
  }
  void write() const { fwrite(data, sizeof(T), size, stdout); }
  Array& fill(T value) {
    for (size_t i = 0; i < size; i++) data[i] = value;
    return *this;
  }
};

template <class Unit>
void each(int64_t units, bool reverse, Unit unit) {
  for (int64_t u = 0; u < units; u++) unit(reverse ? units - 1 - u : u);
}

double seconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/** The best of several runs, in seconds. */
template <class Run>
void timeBest(Run run) {
  double best = 1e9, start = seconds();
  for (int i = 0; i < 200 && (i < 5 || seconds() - start < 0.7); i++) {
    const double before = seconds();
    run();
    const double took = seconds() - before;
    if (took < best) best = took;
  }
  fwrite(&best, sizeof best, 1, stdout);
}

/** Largest number of fma a second that this instruction set reaches in registers, as FLOP/s. */
void peak() {
  V sum[12];
  for (int i = 0; i < 12; i++) sum[i] = set1(static_cast<float>(i));
  double best = 0;
  for (int round = 0; round < 5; round++) {
    const double start = seconds();
    for (int n = 0; n < 10000000; n++) {
      CRIA_UNROLL for (int i = 0; i < 12; i++) sum[i] = fma(sum[i], set1(0.999f), set1(1e-6f));
    }
    const double rate = 1e7 * 12 * W * 2 / (seconds() - start);
    if (rate > best) best = rate;
  }
  float total = 0;
  for (int i = 0; i < 12; i++) total += reduceAdd(sum[i]);
  if (!std::isfinite(total)) exit(4);
  fwrite(&best, sizeof best, 1, stdout);
}

/** Largest number of bytes a second that are read from memory, in order. */
void readRate() {
  const size_t size = size_t{256} << 20;
  Array<char> memory(size);
  memory.fill(1);
  double best = 0;
  for (int round = 0; round < 5; round++) {
    const double start = seconds();
    for (size_t i = 0; i < size; i += 64) (void)*static_cast<const volatile char*>(memory.data + i);
    const double rate = static_cast<double>(size) / (seconds() - start);
    if (rate > best) best = rate;
  }
  fwrite(&best, sizeof best, 1, stdout);
}

void runExp(size_t count) {
  Array<float> x(count);
  x.read();
  for (size_t i = 0; i < count; i += W) {
    const int n = count - i < static_cast<size_t>(W) ? static_cast<int>(count - i) : W;
    store(x.data + i, exp(load(x.data + i, n)), n);
  }
  x.write();
}

/** A problem as it comes: what `op` asks for, shape, and how arrays are stored. */
struct Problem {
  Op op;
  Shape shape;
  int32_t blockSize, maxBlocks, blocks;
  bool reverse, half;
  Stored stored;

  size_t queries() const { return static_cast<size_t>(shape.T) * shape.H * shape.E * bytes(); }
  size_t keys() const { return static_cast<size_t>(shape.T) * shape.K * shape.E * bytes(); }
  size_t heads() const { return static_cast<size_t>(shape.T) * shape.H; }

 private:
  size_t bytes() const { return half ? 2 : 4; }
};

/** Memory of one unit. NaN everywhere: nothing may be read before it is written. */
struct UnitMemory : Array<char> {
  explicit UnitMemory(size_t bytes) : Array<char>(bytes) { fill(-1); }
};

/** Times `run` where a bench is asked for; else runs it and says true: its results are wanted. */
template <class Run>
bool wanted(const Problem& problem, Op bench, Run run) {
  if (problem.op == bench) {
    timeBest(run);
    return false;
  }
  run();
  return true;
}

/** q k v segments -> out lse */
void runForward(const Problem& of) {
  Array<char> q(of.queries()), k(of.keys()), v(of.keys()), out(of.queries());
  Array<float> lse(of.heads());
  Array<int32_t> segments(of.shape.S + 1);
  q.read(), k.read(), v.read(), segments.read();
  out.fill(-1), lse.fill(NAN);
  UnitMemory scratch(scratchBytes(of.shape.E));
  const ForwardArrays arrays{out.data, lse.data, q.data, k.data, v.data, of.half, segments.data};
  const bool write = wanted(of, BENCH_FORWARD, [&] {
    each(forwardUnits(of.shape), of.reverse,
         [&](int64_t u) { forwardUnit(u, scratch.data, arrays, of.shape); });
  });
  if (write) out.write(), lse.write();
}

/** dout q k v out lse segments -> dq dk dv */
void runBackward(const Problem& of) {
  Array<char> dout(of.queries()), q(of.queries()), k(of.keys()), v(of.keys()), out(of.queries()),
      dq(of.queries()), dk(of.keys()), dv(of.keys());
  Array<float> lse(of.heads());
  Array<int32_t> segments(of.shape.S + 1);
  dout.read(), q.read(), k.read(), v.read(), out.read(), lse.read(), segments.read();
  dq.fill(-1), dk.fill(-1), dv.fill(-1);
  UnitMemory scratch(backwardScratchBytes(of.half, segments.data, of.shape));
  const BackwardArrays arrays{dq.data, dk.data,  dv.data,  dout.data, q.data,       k.data,
                              v.data,  out.data, lse.data, of.half,   segments.data};
  const bool write = wanted(of, BENCH_BACKWARD, [&] {
    each(backwardUnits(of.shape), of.reverse,
         [&](int64_t u) { backwardUnit(u, scratch.data, arrays, of.shape); });
  });
  if (write) dq.write(), dk.write(), dv.write();
}

/** q keyCache valueCache blockTable queryStarts lengths -> out */
void runPaged(const Problem& of) {
  const Shape& shape = of.shape;
  const size_t cache = static_cast<size_t>(
      bytesOf(of.stored, static_cast<int64_t>(of.blocks) * of.blockSize * shape.K * shape.E));
  Array<char> q(of.queries()), keys(cache), values(cache), out(of.queries());
  Array<int32_t> table(static_cast<size_t>(shape.S) * of.maxBlocks), starts(shape.S + 1),
      lengths(shape.S);
  q.read(), keys.read(), values.read(), table.read(), starts.read(), lengths.read();
  out.fill(-1);
  UnitMemory scratch(scratchBytes(shape.E));
  const PagedCache paged{keys.data,    values.data,  table.data,   starts.data,
                         lengths.data, of.blockSize, of.maxBlocks, of.stored};
  size_t parts = 0;
  for (int32_t s = 0; s < shape.S; s++) parts += static_cast<size_t>(partialsOf(s, paged, shape));
  Array<float> partials(parts);
  partials.fill(NAN);
  const bool write = wanted(of, BENCH_PAGED, [&] {
    each(pagedUnits(paged, shape), of.reverse, [&](int64_t u) {
      pagedUnit(u, scratch.data, out.data, partials.data, q.data, of.half, paged, shape);
    });
    each(joinUnits(paged, shape), of.reverse, [&](int64_t u) {
      joinUnit(u, scratch.data, out.data, partials.data, of.half, paged, shape);
    });
  });
  if (write) out.write();
}

/** False where there is no such operation. */
bool run(const Problem& problem) {
  switch (problem.op) {
    case PEAK: peak(); return true;
    case READ: readRate(); return true;
    case EXP: runExp(static_cast<size_t>(problem.shape.T)); return true;
    case FORWARD:
    case BENCH_FORWARD: runForward(problem); return true;
    case BACKWARD:
    case BENCH_BACKWARD: runBackward(problem); return true;
    case PAGED:
    case BENCH_PAGED: runPaged(problem); return true;
    default: return false;
  }
}

}  // namespace

int main() {
  int32_t header[13];
  float scale;
  while (fread(header, sizeof header, 1, stdin) == 1 &&
         fread(&scale, sizeof scale, 1, stdin) == 1) {
    const auto [op, T, S, H, K, E, blockSize, maxBlocks, blocks, reverse, half, stored, window] =
        header;
    const Shape shape{T, S, H, K, E, scale, window == 0 ? NO_WINDOW : window};
    if (!run({static_cast<Op>(op), shape, blockSize, maxBlocks, blocks, reverse != 0, half != 0,
              static_cast<Stored>(stored)}))
      return 2;
  }
  return ferror(stdin) ? 3 : 0;
}
