// Written by scripts/generate-commands.mjs from commands.mjs: edit that, then run it.
// Random calls of the commands whose own numbers say what is allowed.
#pragma once
#include "../driver/list.h"
#include "../driver/shapes.h"

inline void randomCopy(List& list) {
  const int64_t bytes = extent();
  const int32_t to = list.bits(bytes);
  const int32_t from = list.bits(bytes);
  list.begin(Op::copy_);
  list.place(to);
  list.place(from);
  list.number(static_cast<double>(bytes));
  list.end();
}

inline void randomFill(List& list) {
  const int64_t elements = extent() * extent();
  const int64_t bytes = 1 << below(3);
  const int64_t pattern = random32();
  const int32_t y = list.bits(elements * bytes);
  list.begin(Op::fill_);
  list.place(y);
  list.number(static_cast<double>(elements));
  list.number(static_cast<double>(bytes));
  list.number(static_cast<double>(pattern));
  list.end();
}

inline void randomAdd(List& list) {
  const int64_t dtype = below(2);
  const int64_t elements = extent() * extent();
  const int32_t y = list.own(elements * bytesOf(dtype));
  const int32_t a = list.bits(elements * bytesOf(dtype));
  const int32_t b = list.bits(elements * bytesOf(dtype));
  list.begin(Op::add_, dtype);
  list.place(y);
  list.place(a);
  list.place(b);
  list.number(static_cast<double>(elements));
  list.end();
}

inline void randomAddBias(List& list) {
  const int64_t dtype = below(2);
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int64_t type = below(3);
  const int32_t y = list.own(rows * columns * bytesOf(dtype));
  const int32_t bias = list.bits(columns * bytesOf(type));
  list.begin(Op::addBias_, dtype);
  list.place(y);
  list.place(bias);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(type));
  list.end();
}

inline void randomCast(List& list) {
  const int64_t elements = extent() * extent();
  const int64_t to = below(3);
  const int64_t from = below(3);
  const int32_t y = list.own(elements * bytesOf(to));
  const int32_t x = list.bits(elements * bytesOf(from));
  list.begin(Op::cast_);
  list.place(y);
  list.place(x);
  list.number(static_cast<double>(elements));
  list.number(static_cast<double>(to));
  list.number(static_cast<double>(from));
  list.end();
}

inline void randomGatherRows(List& list) {
  const int64_t count = extent();
  const int64_t columns = extent();
  const int64_t typeY = below(3);
  const int64_t typeX = below(3);
  const int64_t first = below(12) - 2;
  const int64_t held = below(10);
  const int32_t y = list.own(count * columns * bytesOf(typeY));
  const int32_t x = list.bits(9 * columns * bytesOf(typeX));
  const int32_t rows = list.integers(count, 0, 9);
  list.begin(Op::gatherRows_);
  list.place(y);
  list.place(x);
  list.place(rows);
  list.number(static_cast<double>(count));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(typeY));
  list.number(static_cast<double>(typeX));
  list.number(static_cast<double>(first));
  list.number(static_cast<double>(held));
  list.end();
}

inline void randomScatterAddRows(List& list) {
  const int64_t dtype = below(2);
  const int64_t count = extent();
  const int64_t columns = extent();
  const int64_t first = below(12) - 2;
  const int64_t held = below(10);
  const int32_t y = list.floats(9 * columns);
  const int32_t x = list.bits(count * columns * bytesOf(dtype));
  const int32_t rows = list.integers(count, 0, 9);
  list.begin(Op::scatterAddRows_, dtype);
  list.place(y);
  list.place(x);
  list.place(rows);
  list.number(static_cast<double>(count));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(first));
  list.number(static_cast<double>(held));
  list.end();
}

inline void randomSumSquares(List& list) {
  const int64_t dtype = below(2);
  const int64_t elements = extent() * extent();
  const int32_t partials = list.own(((elements + 65535) / 65536) * 8);
  const int32_t x = list.bits(elements * bytesOf(dtype));
  list.begin(Op::sumSquares_, dtype);
  list.place(partials);
  list.place(x);
  list.number(static_cast<double>(elements));
  list.end();
}

inline void randomSumPartials(List& list) {
  const int64_t count = extent();
  const int32_t y = list.floats(1);
  const int32_t partials = list.own(count * 8);
  list.begin(Op::sumPartials_);
  list.place(y);
  list.place(partials);
  list.number(static_cast<double>(count));
  list.end();
}

inline void randomSumRows(List& list) {
  const int64_t dtype = below(2);
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int32_t y = list.floats(columns);
  const int32_t x = list.bits(rows * columns * bytesOf(dtype));
  list.begin(Op::sumRows_, dtype);
  list.place(y);
  list.place(x);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.end();
}

inline void randomAdamw(List& list) {
  const int64_t elements = extent() * extent();
  const int64_t copyType = below(3);
  const int32_t value = list.floats(elements);
  const int32_t gradient = list.floats(elements);
  const int32_t m = list.floats(elements);
  const int32_t v = list.floats(elements);
  const int32_t copy = below(2) ? list.own(elements * bytesOf(copyType)) : 0;
  list.begin(Op::adamw_);
  list.place(value);
  list.place(gradient);
  list.place(m);
  list.place(v);
  list.place(copy);
  list.number(static_cast<double>(elements));
  list.number(static_cast<double>(copyType));
  list.number(static_cast<double>(0.5));
  list.number(static_cast<double>(0.9));
  list.number(static_cast<double>(0.95));
  list.number(static_cast<double>(0.99));
  list.number(static_cast<double>(0.001));
  list.number(static_cast<double>(0.3));
  list.number(static_cast<double>(1e-8));
  list.end();
}

inline void randomRmsNorm(List& list) {
  const int64_t dtype = below(2);
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int64_t type = below(3);
  const int32_t y = list.own(rows * columns * bytesOf(dtype));
  const int32_t rstd = below(2) ? list.floats(rows) : 0;
  const int32_t x = list.bits(rows * columns * bytesOf(dtype));
  const int32_t gain = list.bits(columns * bytesOf(type));
  list.begin(Op::rmsNorm_, dtype);
  list.place(y);
  list.place(rstd);
  list.place(x);
  list.place(gain);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(0.00001));
  list.number(static_cast<double>(type));
  list.end();
}

inline void randomRmsNormGrad(List& list) {
  const int64_t dtype = below(2);
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int64_t chunkRows = 64;
  const int64_t accumulate = below(2);
  const int64_t type = below(3);
  const int32_t dx = list.own(rows * columns * bytesOf(dtype));
  const int32_t partials = below(2) ? list.floats((rows + 63) / 64 * columns) : 0;
  const int32_t dy = list.bits(rows * columns * bytesOf(dtype));
  const int32_t x = list.bits(rows * columns * bytesOf(dtype));
  const int32_t gain = list.bits(columns * bytesOf(type));
  const int32_t rstd = list.floats(rows);
  list.begin(Op::rmsNormGrad_, dtype);
  list.place(dx);
  list.place(partials);
  list.place(dy);
  list.place(x);
  list.place(gain);
  list.place(rstd);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(chunkRows));
  list.number(static_cast<double>(accumulate));
  list.number(static_cast<double>(type));
  list.end();
}

inline void randomRope(List& list) {
  const int64_t dtype = below(2);
  const int64_t rows = extent();
  const int64_t heads = 1 + below(4);
  const int64_t width = 2 * (1 + below(40));
  const int64_t half = below(2);
  const int64_t inverse = below(2);
  const int32_t y = list.own(rows * heads * width * bytesOf(dtype));
  const int32_t x = list.bits(rows * heads * width * bytesOf(dtype));
  const int32_t positions = list.integers(rows, 0, 10);
  const int32_t table = list.floats(10 * width);
  list.begin(Op::rope_, dtype);
  list.place(y);
  list.place(x);
  list.place(positions);
  list.place(table);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(heads));
  list.number(static_cast<double>(width));
  list.number(static_cast<double>(half));
  list.number(static_cast<double>(inverse));
  list.end();
}

inline void randomSwiglu(List& list) {
  const int64_t dtype = below(2);
  const int64_t elements = extent() * extent();
  const int32_t y = list.own(elements * bytesOf(dtype));
  const int32_t gate = list.bits(elements * bytesOf(dtype));
  const int32_t up = list.bits(elements * bytesOf(dtype));
  list.begin(Op::swiglu_, dtype);
  list.place(y);
  list.place(gate);
  list.place(up);
  list.number(static_cast<double>(elements));
  list.end();
}

inline void randomSwigluGrad(List& list) {
  const int64_t dtype = below(2);
  const int64_t elements = extent() * extent();
  const int32_t dgate = list.own(elements * bytesOf(dtype));
  const int32_t dup = list.own(elements * bytesOf(dtype));
  const int32_t dy = list.bits(elements * bytesOf(dtype));
  const int32_t gate = list.bits(elements * bytesOf(dtype));
  const int32_t up = list.bits(elements * bytesOf(dtype));
  list.begin(Op::swigluGrad_, dtype);
  list.place(dgate);
  list.place(dup);
  list.place(dy);
  list.place(gate);
  list.place(up);
  list.number(static_cast<double>(elements));
  list.end();
}

inline void randomPackPanels(List& list, int64_t panel) {
  const int64_t dtype = below(3);
  const int64_t columns = extent();
  const int64_t k = extent();
  const int64_t along = below(2);
  const int64_t stride = along ? columns : k;
  const int64_t type = below(2);
  const int32_t packed = list.own(panelBytes(dtype, columns, k, panel));
  const int32_t source = list.bits(columns * k * bytesOf(type));
  list.begin(Op::packPanels_, dtype);
  list.place(packed);
  list.place(source);
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(stride));
  list.number(static_cast<double>(along));
  list.number(static_cast<double>(type));
  list.end();
}

inline void randomPackStrips(List& list) {
  const int64_t dtype = below(3);
  const int64_t columns = extent();
  const int64_t k = extent();
  const int64_t along = below(2);
  const int64_t stride = along ? columns : k;
  const int64_t type = below(2);
  const int32_t packed = list.own(stripBytes(columns, k));
  const int32_t source = list.bits(columns * k * bytesOf(type));
  list.begin(Op::packStrips_, dtype);
  list.place(packed);
  list.place(source);
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(stride));
  list.number(static_cast<double>(along));
  list.number(static_cast<double>(type));
  list.end();
}

inline void randomGemm(List& list, int64_t panel) {
  const int64_t dtype = below(3);
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int64_t k = extent();
  const int64_t strideC = columns;
  const int64_t strideResidual = columns;
  const int64_t left = below(dtype == 1 ? 2 : 3);
  const int64_t strideA = left == 1 ? rows : k;
  const int64_t right = dtype == 2 ? 0 : below(3);
  const int64_t strideB = right == 2 ? columns : k;
  const int64_t accumulate = below(2);
  const int64_t typeC = accumulate ? 0 : below(2);
  const int64_t typeA = below(2);
  const int64_t typeB = right == 0 ? dtype : below(2);
  const int32_t c = list.bits(rows * columns * bytesOf(typeC));
  const int32_t a = list.bits(left == 2 ? stripBytes(rows, k) : rows * k * bytesOf(typeA));
  const int32_t b = list.bits(right == 0 ? panelBytes(dtype, columns, k, panel) : columns * k * bytesOf(typeB));
  const int32_t residual = accumulate || !below(3) ? 0 : below(2) ? c : list.bits(rows * columns * bytesOf(typeC));
  list.begin(Op::gemm_, dtype);
  list.place(c);
  list.place(a);
  list.place(b);
  list.place(residual);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(strideC));
  list.number(static_cast<double>(strideA));
  list.number(static_cast<double>(strideB));
  list.number(static_cast<double>(strideResidual));
  list.number(static_cast<double>(left));
  list.number(static_cast<double>(right));
  list.number(static_cast<double>(accumulate));
  list.number(static_cast<double>(typeC));
  list.number(static_cast<double>(typeA));
  list.number(static_cast<double>(typeB));
  list.end();
}

inline void randomCrossEntropy(List& list) {
  const int64_t rows = extent();
  const int64_t columns = 1 + extent();
  const int64_t stride = columns;
  const int64_t gradient = below(3);
  const int32_t losses = list.floats(rows);
  const int32_t x = list.floats(rows * columns);
  const int32_t targets = below(3) ? list.integers(rows, 0, columns) : list.integers(rows, -100, -99);
  const int32_t weights = below(2) ? list.floats(rows) : 0;
  list.begin(Op::crossEntropy_);
  list.place(losses);
  list.place(x);
  list.place(targets);
  list.place(weights);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(stride));
  list.number(static_cast<double>(gradient));
  list.end();
}

inline void randomSoftmaxShare(List& list) {
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int64_t stride = columns;
  const int64_t first = below(60) - 20;
  const int32_t share = list.floats(3 * rows);
  const int32_t x = list.floats(rows * columns);
  const int32_t targets = list.integers(rows, 0, 90);
  list.begin(Op::softmaxShare_);
  list.place(share);
  list.place(x);
  list.place(targets);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(stride));
  list.number(static_cast<double>(first));
  list.end();
}

inline void randomCrossEntropyShare(List& list) {
  const int64_t rows = extent();
  const int64_t columns = extent();
  const int64_t stride = columns;
  const int64_t parts = below(5);
  const int64_t apart = 3 * rows;
  const int64_t first = below(60) - 20;
  const int64_t half = below(2);
  const int32_t losses = list.floats(rows);
  const int32_t x = below(2) ? list.floats(rows * columns) : 0;
  const int32_t shares = list.floats(parts * apart);
  const int32_t targets = list.integers(rows, 0, 90);
  const int32_t weights = below(2) ? list.floats(rows) : 0;
  list.begin(Op::crossEntropyShare_);
  list.place(losses);
  list.place(x);
  list.place(shares);
  list.place(targets);
  list.place(weights);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(stride));
  list.number(static_cast<double>(parts));
  list.number(static_cast<double>(apart));
  list.number(static_cast<double>(first));
  list.number(static_cast<double>(half));
  list.end();
}

inline void randomCacheWrite(List& list) {
  const int64_t count = extent();
  const int64_t cacheType = below(4);
  const int64_t columns = cacheType == 3 ? 32 * below(20) : extent();
  const int64_t type = below(2);
  const int32_t keyCache = list.bits(32 * cacheBytes(cacheType, columns));
  const int32_t valueCache = list.bits(32 * cacheBytes(cacheType, columns));
  const int32_t k = list.bits(count * columns * bytesOf(type));
  const int32_t v = list.bits(count * columns * bytesOf(type));
  const int32_t slots = list.slots(count, 32);
  list.begin(Op::cacheWrite_);
  list.place(keyCache);
  list.place(valueCache);
  list.place(k);
  list.place(v);
  list.place(slots);
  list.number(static_cast<double>(count));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(cacheType));
  list.number(static_cast<double>(type));
  list.end();
}

inline void randomAttention(List& list) {
  const int64_t half = below(2);
  const int64_t T = 1 + below(300);
  const int64_t S = 1 + below(12);
  const int64_t K = 1 + below(3);
  const int64_t H = K * (1 + below(3));
  const int64_t E = 1 + below(70);
  const int64_t window = below(2) ? 0 : 1 + below(200);
  const int32_t out = list.bits(T * H * E * bytesOf(half));
  const int32_t lse = list.floats(T * H);
  const int32_t q = list.bits(T * H * E * bytesOf(half));
  const int32_t k = list.bits(T * K * E * bytesOf(half));
  const int32_t v = list.bits(T * K * E * bytesOf(half));
  const int32_t segments = list.starts(S, T);
  list.begin(Op::attention_);
  list.place(out);
  list.place(lse);
  list.place(q);
  list.place(k);
  list.place(v);
  list.place(segments);
  list.number(static_cast<double>(half));
  list.number(static_cast<double>(T));
  list.number(static_cast<double>(S));
  list.number(static_cast<double>(H));
  list.number(static_cast<double>(K));
  list.number(static_cast<double>(E));
  list.number(static_cast<double>(0.3));
  list.number(static_cast<double>(window));
  list.end();
}

inline void randomAttentionGrad(List& list) {
  const int64_t half = below(2);
  const int64_t T = 1 + below(300);
  const int64_t S = 1 + below(12);
  const int64_t K = 1 + below(3);
  const int64_t H = K * (1 + below(3));
  const int64_t E = 1 + below(70);
  const int64_t window = below(2) ? 0 : 1 + below(200);
  const int32_t dq = list.bits(T * H * E * bytesOf(half));
  const int32_t dk = list.bits(T * K * E * bytesOf(half));
  const int32_t dv = list.bits(T * K * E * bytesOf(half));
  const int32_t dout = list.bits(T * H * E * bytesOf(half));
  const int32_t q = list.bits(T * H * E * bytesOf(half));
  const int32_t k = list.bits(T * K * E * bytesOf(half));
  const int32_t v = list.bits(T * K * E * bytesOf(half));
  const int32_t out = list.bits(T * H * E * bytesOf(half));
  const int32_t lse = list.floats(T * H);
  const int32_t segments = list.starts(S, T);
  list.begin(Op::attentionGrad_);
  list.place(dq);
  list.place(dk);
  list.place(dv);
  list.place(dout);
  list.place(q);
  list.place(k);
  list.place(v);
  list.place(out);
  list.place(lse);
  list.place(segments);
  list.number(static_cast<double>(half));
  list.number(static_cast<double>(T));
  list.number(static_cast<double>(S));
  list.number(static_cast<double>(H));
  list.number(static_cast<double>(K));
  list.number(static_cast<double>(E));
  list.number(static_cast<double>(0.3));
  list.number(static_cast<double>(window));
  list.end();
}

inline void randomPackBlocks(List& list) {
  const int64_t columns = 1 + extent();
  const int64_t k = 256 * (1 + below(3));
  const int64_t format = below(8);
  const int32_t packed = list.bits(blockPanelBytes(format, columns, k));
  const int32_t source = list.bits(blockBytes(format, columns, k));
  list.begin(Op::packBlocks_);
  list.place(packed);
  list.place(source);
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(format));
  list.end();
}

inline void randomGatherBlocks(List& list) {
  const int64_t count = extent();
  const int64_t columns = 256 * (1 + below(3));
  const int64_t typeY = below(2);
  const int64_t format = below(8);
  const int64_t first = below(12) - 2;
  const int64_t held = below(10);
  const int32_t y = list.bits(count * columns * bytesOf(typeY));
  const int32_t x = list.bits(blockBytes(format, 9, columns));
  const int32_t rows = list.integers(count, 0, 9);
  list.begin(Op::gatherBlocks_);
  list.place(y);
  list.place(x);
  list.place(rows);
  list.number(static_cast<double>(count));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(typeY));
  list.number(static_cast<double>(format));
  list.number(static_cast<double>(first));
  list.number(static_cast<double>(held));
  list.end();
}

inline void randomRoundRows(List& list) {
  const int64_t rows = extent();
  const int64_t k = 256 * (1 + below(3));
  const int64_t type = below(2);
  const int64_t format = below(8);
  const int32_t q = list.bits(rows * k);
  const int32_t scales = list.floats(rows * k / 32);
  const int32_t starts = list.floats(rows * startsOf(format, k));
  const int32_t x = list.bits(rows * k * bytesOf(type));
  list.begin(Op::roundRows_);
  list.place(q);
  list.place(scales);
  list.place(starts);
  list.place(x);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(type));
  list.number(static_cast<double>(format));
  list.end();
}

inline void randomBlockProduct(List& list) {
  const int64_t rows = extent();
  const int64_t columns = 1 + extent();
  const int64_t k = 256 * (1 + below(3));
  const int64_t type = below(2);
  const int64_t format = below(8);
  const int32_t y = list.bits(rows * columns * bytesOf(type));
  const int32_t q = list.rounded(rows * k);
  const int32_t scales = list.bits(rows * k / 8);
  const int32_t starts = list.integers(rows * startsOf(format, k), -99999, 99999);
  const int32_t w = list.bits(blockPanelBytes(format, columns, k));
  const int32_t residual = below(2) ? list.bits(rows * columns * bytesOf(type)) : 0;
  list.begin(Op::blockProduct_);
  list.place(y);
  list.place(q);
  list.place(scales);
  list.place(starts);
  list.place(w);
  list.place(residual);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(type));
  list.number(static_cast<double>(format));
  list.end();
}

inline void randomMeasure(List& list) {
  const int64_t pieces = 3;
  const int64_t repeat = 10;
  list.begin(Op::measure_);
  list.number(static_cast<double>(pieces));
  list.number(static_cast<double>(repeat));
  list.end();
}

inline void randomQuantize(List& list) {
  const int64_t type = quantizedType();
  const int64_t rows = below(40);
  const int64_t columns = weightsOf(type) * (1 + below(5));
  const int32_t out = list.bits(quantizedBytes(type, rows * columns));
  const int32_t x = list.floats(rows * columns);
  const int32_t importance = below(2) ? list.floats(columns) : 0;
  const int32_t errors = list.own((2 * (rows + 1)) * 8);
  list.begin(Op::quantize_);
  list.place(out);
  list.place(x);
  list.place(importance);
  list.place(errors);
  list.number(static_cast<double>(type));
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.end();
}

inline void randomWidenedProduct(List& list) {
  const int64_t rows = extent();
  const int64_t columns = 1 + extent();
  const int64_t k = 256 * (1 + below(3));
  const int64_t typeY = below(2);
  const int64_t typeX = below(2);
  const int64_t format = below(8);
  const int32_t y = list.bits(rows * columns * bytesOf(typeY));
  const int32_t x = list.bits(rows * k * bytesOf(typeX));
  const int32_t w = list.bits(blockPanelBytes(format, columns, k));
  const int32_t residual = below(2) ? list.bits(rows * columns * bytesOf(typeY)) : 0;
  list.begin(Op::widenedProduct_);
  list.place(y);
  list.place(x);
  list.place(w);
  list.place(residual);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(typeY));
  list.number(static_cast<double>(typeX));
  list.number(static_cast<double>(format));
  list.end();
}

inline void randomUnpackPanels(List& list, int64_t panel) {
  const int64_t dtype = below(3);
  const int64_t rows = extent();
  const int64_t k = extent();
  const int64_t first = below(k + 1);
  const int64_t columns = k - first;
  const int32_t y = list.own(rows * columns * bytesOf(dtype));
  const int32_t packed = list.bits(panelBytes(dtype, rows, k, panel));
  list.begin(Op::unpackPanels_, dtype);
  list.place(y);
  list.place(packed);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(first));
  list.number(static_cast<double>(columns));
  list.end();
}

inline void randomUnpackBlocks(List& list) {
  const int64_t rows = 1 + extent();
  const int64_t k = 256 * (1 + below(3));
  const int64_t first = 256 * below(k / 256);
  const int64_t columns = k - first;
  const int64_t typeY = below(2);
  const int64_t format = below(8);
  const int64_t panels = below(2);
  const int32_t y = list.bits(rows * columns * bytesOf(typeY));
  const int32_t x = list.bits(panels ? blockPanelBytes(format, rows, k) : blockBytes(format, rows, k));
  list.begin(Op::unpackBlocks_);
  list.place(y);
  list.place(x);
  list.number(static_cast<double>(rows));
  list.number(static_cast<double>(k));
  list.number(static_cast<double>(first));
  list.number(static_cast<double>(columns));
  list.number(static_cast<double>(typeY));
  list.number(static_cast<double>(format));
  list.number(static_cast<double>(panels));
  list.end();
}

/** Appends a call of random shape; false for the commands that are made by hand. */
inline bool randomCommand(List& list, Op op, int64_t panel) {
  switch (op) {
    case Op::copy_: randomCopy(list); return true;
    case Op::fill_: randomFill(list); return true;
    case Op::add_: randomAdd(list); return true;
    case Op::addBias_: randomAddBias(list); return true;
    case Op::cast_: randomCast(list); return true;
    case Op::gatherRows_: randomGatherRows(list); return true;
    case Op::scatterAddRows_: randomScatterAddRows(list); return true;
    case Op::sumSquares_: randomSumSquares(list); return true;
    case Op::sumPartials_: randomSumPartials(list); return true;
    case Op::sumRows_: randomSumRows(list); return true;
    case Op::adamw_: randomAdamw(list); return true;
    case Op::rmsNorm_: randomRmsNorm(list); return true;
    case Op::rmsNormGrad_: randomRmsNormGrad(list); return true;
    case Op::rope_: randomRope(list); return true;
    case Op::swiglu_: randomSwiglu(list); return true;
    case Op::swigluGrad_: randomSwigluGrad(list); return true;
    case Op::packPanels_: randomPackPanels(list, panel); return true;
    case Op::packStrips_: randomPackStrips(list); return true;
    case Op::gemm_: randomGemm(list, panel); return true;
    case Op::crossEntropy_: randomCrossEntropy(list); return true;
    case Op::softmaxShare_: randomSoftmaxShare(list); return true;
    case Op::crossEntropyShare_: randomCrossEntropyShare(list); return true;
    case Op::cacheWrite_: randomCacheWrite(list); return true;
    case Op::attention_: randomAttention(list); return true;
    case Op::attentionGrad_: randomAttentionGrad(list); return true;
    case Op::packBlocks_: randomPackBlocks(list); return true;
    case Op::gatherBlocks_: randomGatherBlocks(list); return true;
    case Op::roundRows_: randomRoundRows(list); return true;
    case Op::blockProduct_: randomBlockProduct(list); return true;
    case Op::measure_: randomMeasure(list); return true;
    case Op::quantize_: randomQuantize(list); return true;
    case Op::widenedProduct_: randomWidenedProduct(list); return true;
    case Op::unpackPanels_: randomUnpackPanels(list, panel); return true;
    case Op::unpackBlocks_: randomUnpackBlocks(list); return true;
    default: return false;
  }
}
