// Random commands without Node, for the sanitizers: every operation at random small shapes, on
// every instruction set of this machine, with 1 to 4 threads. Each tensor has memory of exactly its
// size, so that reading or writing outside is seen.
//   driver [lists] [seed]      driver serve: see driver-serve.cc
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "driver-pools.h"
#include "driver-serve.h"
#include "isa.h"
#include "pool.h"
#include "storage.h"

namespace {

using cria::Op;

uint64_t state = 1;
uint32_t random32() {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<uint32_t>(state >> 33);
}
int64_t below(int64_t n) {
  return n <= 0 ? 0 : static_cast<int64_t>(random32() % static_cast<uint64_t>(n));
}
/** Mostly small, sometimes past the edge of a block. */
int64_t extent() { return below(20) == 0 ? 200 + below(400) : below(70); }

float value() {
  switch (below(200)) {
    case 0: return __builtin_nanf("");
    case 1: return __builtin_inff();
    case 2: return -__builtin_inff();
    case 3: return 1e-42f;
    case 4: return 3e38f;
    default: return static_cast<float>(below(2001) - 1000) / 500.0f;
  }
}

struct List {
  std::vector<double> numbers;
  std::vector<int32_t> owned;
  size_t start = 0;

  List& begin(Op op, int64_t dtype = 0) {
    start = numbers.size();
    numbers.push_back(static_cast<double>(static_cast<int64_t>(op) + cria::OPERATIONS * dtype));
    numbers.push_back(0);
    return *this;
  }
  List& number(double n) {
    numbers.push_back(n);
    return *this;
  }
  List& place(int32_t id) { return number(id).number(0); }
  void end() { numbers[start + 1] = static_cast<double>(numbers.size() - start); }

  int32_t own(int64_t bytes) {
    const int32_t id = cria::allocateStorage(static_cast<uint64_t>(bytes));
    owned.push_back(id);
    return id;
  }
  int32_t floats(int64_t n) {
    const int32_t id = own(4 * n);
    float* p = reinterpret_cast<float*>(cria::storages[id]);
    for (int64_t i = 0; i < n; i++) p[i] = value();
    return id;
  }
  /** Random bits, read as numbers of any kind. */
  int32_t halves(int64_t bytes) {
    const int32_t id = own(bytes);
    for (int64_t i = 0; i < bytes; i++) cria::storages[id][i] = static_cast<char>(random32());
    return id;
  }
  /** Whole numbers from `low` to `high` − 1. */
  int32_t integers(int64_t n, int64_t low, int64_t high) {
    const int32_t id = own(4 * n);
    int32_t* p = reinterpret_cast<int32_t*>(cria::storages[id]);
    for (int64_t i = 0; i < n; i++) p[i] = static_cast<int32_t>(low + below(high - low));
    return id;
  }
  /** Segments of `total` rows: count + 1 starts. */
  int32_t starts(int64_t count, int64_t total) {
    const int32_t id = own(4 * (count + 1));
    int32_t* p = reinterpret_cast<int32_t*>(cria::storages[id]);
    for (int64_t i = 1; i <= count; i++)
      p[i] = i == count ? static_cast<int32_t>(total)
                        : static_cast<int32_t>(p[i - 1] + below(total - p[i - 1] + 1));
    return id;
  }
};

/** Bytes of panels of one dtype: halves may be stored in pairs. */
int64_t panelBytes(int64_t dtype, int64_t columns, int64_t k, int64_t panel) {
  return (columns + panel - 1) / panel * panel * (dtype == 0 ? 4 * k : 4 * ((k + 1) / 2));
}
/** Of strips of at most 16 rows, in words of f32 or in pairs. */
int64_t stripBytes(int64_t rows, int64_t k) { return (rows + 16) * 4 * k; }
/** Of two dtypes as products read them: f32, or halves of any bits. */
int64_t bytesOf(int64_t dtype) { return dtype == 0 ? 4 : 2; }

void product(List& list, int64_t panel) {
  const int64_t m = extent(), n = extent(), k = extent(), unit = below(3);
  // By rows, by columns, in strips; bf16 never in strips, for tiles take their rows otherwise.
  const int64_t left = below(unit == 1 ? 2 : 3);
  const bool accumulate = below(2) != 0;
  const int64_t right = unit == 2 ? 0 : below(3), typeC = accumulate ? 0 : below(2),
                typeA = below(2), typeB = right == 0 ? unit : below(2);
  const int32_t b =
      list.halves(right == 0 ? panelBytes(unit, n, k, panel) : n * k * bytesOf(typeB));
  const int32_t c = list.halves(m * n * bytesOf(typeC));
  const int64_t kind = below(3);
  list.begin(Op::gemm_, unit)
      .place(c)
      .place(list.halves(left == 2 ? stripBytes(m, k) : m * k * bytesOf(typeA)))
      .place(b);
  list.place(accumulate || kind == 0 ? 0 : kind == 1 ? c : list.halves(m * n * bytesOf(typeC)));
  list.number(m)
      .number(n)
      .number(k)
      .number(n)
      .number(left == 1 ? m : k)
      .number(right == 2 ? n : k)
      .number(n);
  list.number(left)
      .number(right)
      .number(accumulate)
      .number(typeC)
      .number(typeA)
      .number(typeB)
      .end();
}

/**
 * Bytes of a file's blocks of 256 weights, and of 16 packed rows of them, by format
 * (block-format.h).
 */
constexpr int64_t FILE_BYTES[] = {8 * 34, 8 * 18, 8 * 20, 8 * 22, 8 * 24, 144, 176, 210};
constexpr int64_t PANEL_BYTES[] = {8 * 544, 8 * 288, 8 * 320, 8 * 352, 8 * 384, 2368, 2880, 3360};

void blocks(List& list, Op op) {
  const int64_t rows = extent(), columns = 1 + extent(), supers = 1 + below(3), k = 256 * supers,
                format = below(8), type = below(2);
  const int64_t panels = (columns + 15) / 16 * PANEL_BYTES[format] * supers,
                halves = format == 7 ? 2 : 1;
  list.begin(op);
  if (op == Op::packBlocks_) {
    list.place(list.own(panels))
        .place(list.halves(columns * FILE_BYTES[format] * supers))
        .number(columns)
        .number(k)
        .number(format)
        .end();
  } else if (op == Op::gatherBlocks_) {
    list.place(list.own(rows * k * bytesOf(type)))
        .place(list.halves(columns * FILE_BYTES[format] * supers))
        .place(list.integers(rows, 0, columns));
    list.number(rows).number(k).number(type).number(format).end();
  } else if (op == Op::unpackBlocks_) {
    const int64_t inPanels = below(2), first = 256 * below(supers), width = k - first;
    list.place(list.own(columns * width * bytesOf(type)))
        .place(list.halves(inPanels != 0 ? panels : columns * FILE_BYTES[format] * supers));
    list.number(columns)
        .number(k)
        .number(first)
        .number(width)
        .number(type)
        .number(format)
        .number(inPanels)
        .end();
  } else if (op == Op::roundRows_) {
    list.place(list.own(rows * k))
        .place(list.own(rows * k / 8))
        .place(list.own(rows * k / 8 * halves))
        .place(list.halves(rows * k * bytesOf(type)));
    list.number(rows).number(k).number(type).number(format).end();
  } else if (op == Op::widenedProduct_) {
    const int64_t typeX = below(2);
    list.place(list.own(rows * columns * bytesOf(type)))
        .place(list.halves(rows * k * bytesOf(typeX)))
        .place(list.halves(panels));
    list.place(below(2) ? list.halves(rows * columns * bytesOf(type)) : 0);
    list.number(rows).number(columns).number(k).number(type).number(typeX).number(format).end();
  } else {
    const int32_t q = list.halves(rows * k);
    // The kernels that round make no −128, with which the products of AVX2 would not fit.
    for (int64_t i = 0; i < rows * k; i++) {
      if (cria::storages[q][i] == -128) cria::storages[q][i] = 127;
    }
    list.place(list.own(rows * columns * bytesOf(type)))
        .place(q)
        .place(list.halves(rows * k / 8))
        .place(list.integers(rows * k / 32 * halves, -99999, 99999));
    list.place(list.halves(panels))
        .place(below(2) ? list.halves(rows * columns * bytesOf(type)) : 0);
    list.number(rows).number(columns).number(k).number(type).number(format).end();
  }
}

/** GGUF's types that there are quantisers for, and the bytes of a file's block. */
constexpr int64_t QUANTIZED[][2] = {{2, 18}, {3, 20},   {6, 22},   {7, 24},
                                    {8, 34}, {12, 144}, {13, 176}, {14, 210}};

/**
 * An open file of at least so many bytes; its size is left in `size`. −1 where there can be none.
 */
int32_t fileOf(int64_t bytes, int64_t& size) {
  static FILE* const file = tmpfile();
  static int64_t written = 0;
  if (file == nullptr) return -1;
  for (; written < bytes; written++) fputc(static_cast<int>(random32() & 255u), file);
  fflush(file);
  size = written;
  return fileno(file);
}

void quantize(List& list, Op op) {
  const int64_t* type = QUANTIZED[below(8)];
  // A chunk takes half a megabyte or so of a file: now and then there are several, which threads
  // share.
  const int64_t block = type[0] >= 12 ? 256 : 32,
                many = op == Op::quantizeFile_ && below(8) == 0 ? 10 : 1;
  const int64_t rows = below(40) * many,
                columns = block * (many == 10 ? 1280 / block : 1 + below(5)), source = below(3);
  const int64_t head = op == Op::quantizeFile_ && below(2) ? 2 * (1 + below(4)) : 0,
                height = head == 0 ? rows : rows / head * head;
  list.begin(op).place(list.own(height * columns / block * type[1]));
  if (op == Op::quantize_) list.place(list.floats(height * columns));
  list.place(below(2) ? list.floats(columns) : 0).place(list.own(16 * (height + 1)));
  if (op == Op::quantizeFile_) {
    const int64_t bytes = height * columns * (source == 0 ? 4 : 2), kind = below(30);
    int64_t from = below(100), size = 0;
    const int32_t file = fileOf(from + bytes, size);
    // Now and then the file ends too soon, or there is none.
    if (kind == 0) from = size - (bytes > 10 ? bytes - 10 : 0);
    list.number(kind == 1 ? -1 : file)
        .number(static_cast<double>(from))
        .number(static_cast<double>(source))
        .number(static_cast<double>(head));
  }
  list.number(static_cast<double>(type[0]))
      .number(static_cast<double>(height))
      .number(static_cast<double>(columns))
      .end();
}

/** Paged attention, and the joining of chunks after it; caches in any of their forms. */
void pagedAttention(List& list) {
  const int64_t stored = below(4), half = below(2), kvHeads = 1 + below(3),
                heads = kvHeads * (1 + below(9));
  const int64_t width = stored == 3 ? 32 * (1 + below(3)) : 1 + below(70), S = 1 + below(5),
                T = below(3) ? S + below(4) : 1 + below(200);
  const int64_t block = 16 << below(4), blocks = 40;
  const int32_t queryStarts = list.starts(S, T), lengths = list.own(4 * S);
  const int32_t* from = reinterpret_cast<const int32_t*>(cria::storages[queryStarts]);
  int64_t most = 1, partials = 0;
  for (int64_t s = 0; s < S; s++) {
    const int64_t rows = from[s + 1] - from[s], length = rows + below(below(2) ? 100 : 500),
                  chunks = (length + 127) / 128;
    reinterpret_cast<int32_t*>(cria::storages[lengths])[s] = static_cast<int32_t>(length);
    if ((length + block - 1) / block > most) most = (length + block - 1) / block;
    if (rows <= 4 && length > 128) partials += rows * heads * chunks * (width + 2);
  }
  const int64_t row = kvHeads * width, bytes = blocks * block *
                                               (stored == 0   ? 4 * row
                                                : stored == 3 ? row / 32 * 34
                                                              : 2 * row);
  const int32_t out = list.own(T * heads * width * (half ? 2 : 4)), sums = list.own(4 * partials),
                q = list.halves(T * heads * width * (half ? 2 : 4));
  const int32_t keys = list.halves(bytes), values = list.halves(bytes),
                table = list.integers(S * most, 0, blocks);
  const int64_t window = below(2) ? 0 : 1 + below(200);
  for (const Op op : {Op::pagedAttention_, Op::joinChunks_}) {
    list.begin(op)
        .place(out)
        .place(sums)
        .place(q)
        .place(keys)
        .place(values)
        .place(table)
        .place(queryStarts)
        .place(lengths);
    list.number(static_cast<double>(block))
        .number(static_cast<double>(most))
        .number(static_cast<double>(stored))
        .number(static_cast<double>(half));
    list.number(T)
        .number(S)
        .number(heads)
        .number(kvHeads)
        .number(width)
        .number(0.3)
        .number(window)
        .end();
  }
}

void attention(List& list, Op op) {
  const int64_t kvHeads = 1 + below(3), heads = kvHeads * (1 + below(3)), width = 1 + below(70),
                T = 1 + below(300), S = 1 + below(12);
  const int64_t half = below(2), bytes = half ? 2 : 4, q = T * heads * width * bytes,
                k = T * kvHeads * width * bytes;
  list.begin(op);
  if (op == Op::attention_) {
    list.place(list.own(q))
        .place(list.floats(T * heads))
        .place(list.halves(q))
        .place(list.halves(k))
        .place(list.halves(k));
  } else {
    for (const int64_t size : {q, k, k}) list.place(list.own(size));
    for (const int64_t size : {q, q, k, k, q}) list.place(list.halves(size));
    list.place(list.floats(T * heads));
  }
  list.place(list.starts(S, T)).number(static_cast<double>(half));
  list.number(T)
      .number(S)
      .number(heads)
      .number(kvHeads)
      .number(width)
      .number(0.3)
      .number(below(2) ? 0 : 1 + below(200))
      .end();
}

/** Another engine's work, as calls of a list have it: doubles n numbers of a storage. */
int doubled(void*, const double* numbers, char* const* storages) {
  float* x = reinterpret_cast<float*>(storages[static_cast<int32_t>(numbers[0])]);
  for (int64_t i = 0; i < static_cast<int64_t>(numbers[1]); i++) x[i] += x[i];
  return 0;
}

#include "generated/fuzz.h"

void command(List& list, Op op, int64_t panel) {
  const int64_t T = extent(), D = extent(), n = T * D, dtype = below(2);
  if (randomCommand(list, op, dtype)) return;
  switch (op) {
    case Op::free_: list.begin(op).number(cria::allocateStorage(100)).end(); break;
    case Op::cacheWrite_: {
      const int64_t stored = below(4), C = stored == 3 ? (D + 31) / 32 * 32 : D,
                    bytes = stored == 0   ? 4 * C
                            : stored == 3 ? C / 32 * 34
                                          : 2 * C;
      list.begin(op)
          .place(list.own(32 * bytes))
          .place(list.own(32 * bytes))
          .place(list.halves(T * C * bytesOf(dtype)))
          .place(list.halves(T * C * bytesOf(dtype)));
      // Slots of one list may meet: kernels are told different ones.
      if (T > 32) list.place(list.integers(T, -1, 0));
      else {
        const int32_t slots = list.integers(T, 0, 1);
        for (int64_t t = 0; t < T; t++)
          reinterpret_cast<int32_t*>(cria::storages[slots])[t] = static_cast<int32_t>(t);
        list.place(slots);
      }
      list.number(T).number(C).number(stored).number(dtype).end();
      break;
    }
    case Op::packPanels_: {
      const int64_t unit = below(3), type = below(2);
      list.begin(op, unit)
          .place(list.own(panelBytes(unit, T, D, panel)))
          .place(list.halves(n * bytesOf(type)))
          .number(T)
          .number(D);
      if (below(2)) list.number(D).number(0).number(type).end();
      else list.number(T).number(1).number(type).end();
      break;
    }
    case Op::unpackPanels_: {
      const int64_t unit = below(3), first = below(D + 1), columns = D - first;
      list.begin(op, unit)
          .place(list.own(T * columns * bytesOf(unit)))
          .place(list.halves(panelBytes(unit, T, D, panel)));
      list.number(T).number(D).number(first).number(columns).end();
      break;
    }
    case Op::packStrips_: {
      const int64_t type = below(3), columns = below(2);
      list.begin(op, below(3))
          .place(list.own(stripBytes(T, D)))
          .place(list.halves(n * bytesOf(type)));
      list.number(T).number(D).number(columns != 0 ? T : D).number(columns).number(type).end();
      break;
    }
    case Op::gemm_: product(list, panel); break;
    case Op::packBlocks_:
    case Op::gatherBlocks_:
    case Op::unpackBlocks_:
    case Op::roundRows_:
    case Op::blockProduct_:
    case Op::widenedProduct_: blocks(list, op); break;
    case Op::quantize_:
    case Op::quantizeFile_: quantize(list, op); break;
    case Op::crossEntropy_:
      if (D == 0) return;
      list.begin(op)
          .place(list.floats(T))
          .place(list.floats(n))
          .place(below(3) ? list.integers(T, 0, D) : list.integers(T, -100, -99));
      list.place(below(2) ? list.floats(T) : 0);
      list.number(T).number(D).number(D).number(below(3)).end();
      break;
    case Op::attention_:
    case Op::attentionGrad_: attention(list, op); break;
    case Op::pagedAttention_:
    case Op::joinChunks_: pagedAttention(list); break;
    case Op::call_:
      list.begin(op)
          .number(static_cast<double>(reinterpret_cast<uintptr_t>(&doubled)))
          .number(0)
          .number(list.floats(n))
          .number(n)
          .end();
      break;
    case Op::together_: {
      const Op members[] = {Op::gemm_, Op::blockProduct_, Op::swiglu_};
      const size_t start = list.numbers.size();
      const int64_t count = below(5);
      list.begin(op).number(static_cast<double>(count));
      for (int64_t i = 0; i < count; i++) command(list, members[below(3)], panel);
      list.numbers[start + 1] = static_cast<double>(list.numbers.size() - start);
      break;
    }
    default: break;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "serve") == 0) return serve();
  if (count > 1 && strcmp(arguments[1], "pools") == 0) return checkPools();
  const int64_t lists = count > 1 ? atoll(arguments[1]) : 2000;
  state = count > 2 ? static_cast<uint64_t>(atoll(arguments[2])) : 1;
  int32_t isas = 0;
  const cria::LoadedIsa* all = cria::instructionSets(isas);
  std::vector<const cria::LoadedIsa*> here;
  for (int32_t i = 0; i < isas; i++) {
    if (all[i].available) here.push_back(all + i);
  }
  int64_t commands = 0;
  for (int64_t i = 0; i < lists; i++) {
    const cria::LoadedIsa& isa = *here[static_cast<size_t>(i) % here.size()];
    List list;
    const int64_t length = 1 + below(6);
    for (int64_t c = 0; c < length; c++) {
      const int64_t op = below(cria::OPERATIONS);
      // Some kernels are there with some instruction sets only; freeing and calls are none.
      const bool special =
          op == static_cast<int64_t>(Op::free_) || op == static_cast<int64_t>(Op::call_);
      if (special || isa.kernels[op].run != nullptr) command(list, static_cast<Op>(op), isa.panel);
    }
    const int32_t threads = static_cast<int32_t>(1 + below(4));
    const cria::Outcome outcome =
        cria::run(0, cria::takeTurn(0), list.numbers.data(),
                  static_cast<int64_t>(list.numbers.size()), threads, isa.kernels);
    if (outcome.position >= 0) {
      printf("list %lld on %s: command at %lld was refused\n", static_cast<long long>(i), isa.name,
             static_cast<long long>(outcome.position));
      return 1;
    }
    commands += length;
    for (const int32_t id : list.owned) cria::freeStorage(id);
  }
  printf("%lld commands, %llu bytes left\n", static_cast<long long>(commands),
         static_cast<unsigned long long>(cria::liveBytes()));
  return cria::liveBytes() == 0 ? 0 : 1;
}
