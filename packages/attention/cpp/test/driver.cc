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

}  // namespace

int main() {
  int32_t header[13];
  float scale;
  while (fread(header, sizeof header, 1, stdin) == 1 &&
         fread(&scale, sizeof scale, 1, stdin) == 1) {
    const auto [op, T, S, H, K, E, blockSize, maxBlocks, blocks, reverse, half, stored, window] =
        header;
    const Shape shape{T, S, H, K, E, scale, window == 0 ? NO_WINDOW : window};
    const size_t wide = static_cast<size_t>(T) * H * E, narrow = static_cast<size_t>(T) * K * E,
                 heads = static_cast<size_t>(T) * H;
    Array<char> scratch(scratchBytes(E));
    scratch.fill(-1);  // NaN everywhere: nothing may be read before it is written
    if (op == PEAK) {
      peak();
    } else if (op == READ) {
      readRate();
    } else if (op == EXP) {
      runExp(T);
    } else if (op == FORWARD || op == BENCH_FORWARD) {  // q k v segments -> out lse
      const size_t bytes = half ? 2 : 4;
      Array<char> q(wide * bytes), k(narrow * bytes), v(narrow * bytes), out(wide * bytes);
      Array<float> lse(heads);
      Array<int32_t> segments(S + 1);
      q.read(), k.read(), v.read(), segments.read();
      out.fill(-1), lse.fill(NAN);
      const auto run = [&, reverse = reverse, half = half] {
        each(forwardUnits(shape), reverse, [&](int64_t u) {
          forwardUnit(u, scratch.data, out.data, lse.data, q.data, k.data, v.data, half,
                      segments.data, shape);
        });
      };
      if (op == BENCH_FORWARD) {
        timeBest(run);
      } else {
        run(), out.write(), lse.write();
      }
    } else if (op == BACKWARD || op == BENCH_BACKWARD) {  // dout q k v out lse segments -> dq dk dv
      const size_t bytes = half ? 2 : 4;
      Array<char> dout(wide * bytes), q(wide * bytes), k(narrow * bytes), v(narrow * bytes),
          out(wide * bytes), dq(wide * bytes), dk(narrow * bytes), dv(narrow * bytes);
      Array<float> lse(heads);
      Array<int32_t> segments(S + 1);
      dout.read(), q.read(), k.read(), v.read(), out.read(), lse.read(), segments.read();
      dq.fill(-1), dk.fill(-1), dv.fill(-1);
      Array<char> memory(backwardScratchBytes(half != 0, segments.data, shape));
      memory.fill(-1);
      const auto run = [&, reverse = reverse, half = half != 0] {
        each(backwardUnits(shape), reverse, [&](int64_t u) {
          backwardUnit(u, memory.data, dq.data, dk.data, dv.data, dout.data, q.data, k.data, v.data,
                       out.data, lse.data, half, segments.data, shape);
        });
      };
      if (op == BENCH_BACKWARD) {
        timeBest(run);
      } else {
        run(), dq.write(), dk.write(), dv.write();
      }
      // q keyCache valueCache blockTable queryStarts lengths -> out
    } else if (op == PAGED || op == BENCH_PAGED) {
      const size_t cache = static_cast<size_t>(
          bytesOf(static_cast<Stored>(stored), static_cast<int64_t>(blocks) * blockSize * K * E));
      const size_t bytes = half ? 2 : 4;
      Array<char> q(wide * bytes), keys(cache), values(cache), out(wide * bytes);
      Array<int32_t> table(static_cast<size_t>(S) * maxBlocks), starts(S + 1), lengths(S);
      q.read(), keys.read(), values.read(), table.read(), starts.read(), lengths.read();
      out.fill(-1);
      const PagedCache paged{keys.data,    values.data, table.data, starts.data,
                             lengths.data, blockSize,   maxBlocks,  static_cast<Stored>(stored)};
      size_t parts = 0;
      for (int32_t s = 0; s < S; s++) parts += static_cast<size_t>(partialsOf(s, paged, shape));
      Array<float> partials(parts);
      partials.fill(NAN);
      const auto run = [&, reverse = reverse, half = half] {
        each(pagedUnits(paged, shape), reverse, [&](int64_t u) {
          pagedUnit(u, scratch.data, out.data, partials.data, q.data, half, paged, shape);
        });
        each(joinUnits(paged, shape), reverse, [&](int64_t u) {
          joinUnit(u, scratch.data, out.data, partials.data, half, paged, shape);
        });
      };
      if (op == BENCH_PAGED) {
        timeBest(run);
      } else {
        run(), out.write();
      }
    } else {
      return 2;
    }
  }
  return ferror(stdin) ? 3 : 0;
}
