// Random calls of the operations for which more counts than their own numbers: a storage of the
// pool, a file, a cache that was written before, other commands.
#include "by-hand.h"

#include <stdio.h>

#include "generated/fuzz.h"

namespace {

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

/** Rows of a file, whole or of interleaved heads. */
void quantizeFile(List& list) {
  const Quantized& to = QUANTIZED[below(8)];
  // A chunk takes half a megabyte or so of a file: now and then there are several, which threads
  // share.
  const bool many = below(8) == 0;
  const int64_t columns = many ? 1280 : to.weights * (1 + below(5)), source = below(3);
  const int64_t head = below(2) ? 2 * (1 + below(4)) : 0;
  int64_t rows = below(40) * (many ? 10 : 1);
  if (head != 0) rows -= rows % head;
  const int64_t bytes = rows * columns * bytesOf(source), kind = below(30);
  int64_t from = below(100), size = 0;
  const int32_t file = fileOf(from + bytes, size);
  // Now and then the file ends too soon, or there is none.
  if (kind == 0) from = size - (bytes > 10 ? bytes - 10 : 0);
  list.begin(Op::quantizeFile_)
      .place(list.own(quantizedBytes(to.type, rows * columns)))
      .place(below(2) ? list.floats(columns) : 0)
      .place(list.own(16 * (rows + 1)))
      .number(static_cast<double>(kind == 1 ? -1 : file));
  for (const int64_t n : {from, source, head, to.type, rows, columns}) list.number(n);
  list.end();
}

/** What a call of paged attention and the joining of its chunks share. */
struct Paged {
  int64_t stored = below(4), half = below(2), K = 1 + below(3), H = K * (1 + below(9));
  int64_t E = stored == 3 ? 32 * (1 + below(3)) : 1 + below(70), S = 1 + below(5);
  int64_t T = below(3) ? S + below(4) : 1 + below(200);
  int64_t blockSize = 16 << below(4), blocks = 40, maxBlocks = 1, partials = 0;
  int64_t window = below(2) ? 0 : 1 + below(200);
  int32_t queryStarts, lengths;

  explicit Paged(List& list) : queryStarts(list.starts(S, T)), lengths(list.own(4 * S)) {
    const int32_t* from = reinterpret_cast<const int32_t*>(cria::storages[queryStarts]);
    int32_t* length = reinterpret_cast<int32_t*>(cria::storages[lengths]);
    for (int64_t s = 0; s < S; s++) {
      const int64_t rows = from[s + 1] - from[s], n = rows + below(below(2) ? 100 : 500);
      length[s] = static_cast<int32_t>(n);
      if ((n + blockSize - 1) / blockSize > maxBlocks) maxBlocks = (n + blockSize - 1) / blockSize;
      // Few rows over a long text are cut into chunks of 128, whose parts are joined afterwards.
      if (rows <= 4 && n > 128) partials += rows * H * ((n + 127) / 128) * (E + 2);
    }
  }
};

void pagedAttention(List& list) {
  const Paged of(list);
  const int64_t queries = of.T * of.H * of.E * bytesOf(of.half),
                cache = of.blocks * of.blockSize * cacheBytes(of.stored, of.K * of.E);
  const int32_t places[] = {list.own(queries),  list.own(4 * of.partials),
                            list.bits(queries), list.bits(cache),
                            list.bits(cache),   list.integers(of.S * of.maxBlocks, 0, of.blocks),
                            of.queryStarts,     of.lengths};
  for (const Op op : {Op::pagedAttention_, Op::joinChunks_}) {
    list.begin(op);
    for (const int32_t place : places) list.place(place);
    for (const int64_t n : {of.blockSize, of.maxBlocks, of.stored, of.half}) list.number(n);
    for (const int64_t n : {of.T, of.S, of.H, of.K, of.E}) list.number(n);
    list.number(0.3).number(of.window).end();
  }
}

/** One of three numbers, the first one mostly. */
double oneOf(double usual, double b, double c) { return below(3) ? usual : below(2) ? b : c; }

/** Rows of few ids and of some thousands, with every setting at its ends now and then. */
void sample(List& list) {
  const int64_t dtype = below(2), rows = 1 + below(5), seen = below(20), masks = below(4),
                vocabulary = 1 + (below(4) ? extent() : below(5000)),
                columns = vocabulary + below(3), words = (vocabulary + 31) / 32;
  list.begin(Op::sample_, dtype)
      .place(list.own(4 * rows))
      .place(dtype == 0 ? list.floats(rows * columns) : list.bits(2 * rows * columns))
      .place(seen > 0 ? list.integers(seen, 0, vocabulary) : 0)
      .place(seen > 0 ? list.integers(seen, 0, 9) : 0)
      .place(masks > 0 ? list.bits(4 * masks * words) : 0);
  for (const int64_t n : {rows, columns, vocabulary}) list.number(n);
  for (int64_t r = 0; r < rows; r++) {
    const int64_t first = below(seen + 1);
    list.number(oneOf(0.7, 0, 5e-324))
        .number(oneOf(0, static_cast<double>(1 + below(vocabulary)), 1e15))
        .number(oneOf(0.9, 0, 1))
        .number(oneOf(-__builtin_inf(), -3, 0))
        .number(below(2))
        .number(oneOf(1, 1.3, 1e300))
        .number(oneOf(0, 0.5, -1e300))
        .number(oneOf(0, 0.1, 1e308))
        .number(first)
        .number(first + below(seen - first + 1))
        .number(below(masks + 1) - 1)
        .number(oneOf(0.3, 0, 1 - 0x1p-53));
  }
  list.end();
}

void logProbabilities(List& list) {
  const int64_t dtype = below(2), rows = extent(), vocabulary = 1 + extent(),
                columns = vocabulary + below(3), most = below(3) ? below(vocabulary + 1) : 0;
  list.begin(Op::logProbabilities_, dtype)
      .place(list.own(4 * rows))
      .place(below(2) ? list.own(4 * rows) : 0)
      .place(most > 0 ? list.own(4 * rows * most) : 0)
      .place(most > 0 ? list.own(4 * rows * most) : 0)
      .place(dtype == 0 ? list.floats(rows * columns) : list.bits(2 * rows * columns))
      .place(list.integers(rows, 0, vocabulary));
  for (const int64_t n : {rows, columns, vocabulary, most}) list.number(n);
  list.end();
}

/** Another engine's work, as calls of a list have it: doubles n numbers of a storage. */
int doubled(void*, const double* numbers, char* const* storages) {
  float* x = reinterpret_cast<float*>(storages[static_cast<int32_t>(numbers[0])]);
  for (int64_t i = 0; i < static_cast<int64_t>(numbers[1]); i++) x[i] += x[i];
  return 0;
}

/** Commands whose chunks lie side by side. */
void together(List& list, int64_t panel) {
  const Op members[] = {Op::gemm_, Op::blockProduct_, Op::swiglu_};
  const size_t start = list.numbers.size();
  const int64_t count = below(5);
  list.begin(Op::together_).number(count);
  for (int64_t i = 0; i < count; i++) randomCall(list, members[below(3)], panel);
  list.numbers[start + 1] = static_cast<double>(list.numbers.size() - start);
}

void foreignCall(List& list) {
  const int64_t n = extent() * extent();
  list.begin(Op::call_)
      .number(static_cast<double>(reinterpret_cast<uintptr_t>(&doubled)))
      .number(0.0)
      .number(static_cast<double>(list.floats(n)))
      .number(n)
      .end();
}

}  // namespace

void randomCall(List& list, Op op, int64_t panel) {
  if (randomCommand(list, op, panel)) return;
  switch (op) {
    case Op::free_:
      list.begin(op).number(static_cast<double>(cria::allocateStorage(100))).end();
      break;
    case Op::quantizeFile_: quantizeFile(list); break;
    case Op::sample_: sample(list); break;
    case Op::logProbabilities_: logProbabilities(list); break;
    case Op::pagedAttention_:
    case Op::joinChunks_: pagedAttention(list); break;
    case Op::call_: foreignCall(list); break;
    case Op::together_: together(list, panel); break;
    default: break;
  }
}
