// Written by scripts/generate-commands.mjs from commands.mjs: edit that, then run it.
// The arguments of every command, read in the order in which src/generated/commands.ts writes them.
// A kernel derives from its own.
#pragma once
#include "kernels/arguments.h"

namespace cria::CRIA_ISA {

struct CopyArguments {
  uint8_t* to;
  const uint8_t* from;
  int64_t bytes;

  explicit CopyArguments(Arguments& in)
      : to(in.tensor<uint8_t>()),
        from(in.tensor<const uint8_t>()),
        bytes(in.integer()) {}
};

struct FillArguments {
  uint8_t* y;
  int64_t elements;
  int64_t bytes;
  int64_t pattern;

  explicit FillArguments(Arguments& in)
      : y(in.tensor<uint8_t>()),
        elements(in.integer()),
        bytes(in.integer()),
        pattern(in.integer()) {}
};

template <class T>
struct AddArguments {
  T* y;
  const T* a;
  const T* b;
  int64_t elements;

  explicit AddArguments(Arguments& in)
      : y(in.tensor<T>()),
        a(in.tensor<const T>()),
        b(in.tensor<const T>()),
        elements(in.integer()) {}
};

template <class T>
struct AddBiasArguments {
  T* y;
  const void* bias;
  int64_t rows;
  int64_t columns;
  int64_t type;

  explicit AddBiasArguments(Arguments& in)
      : y(in.tensor<T>()),
        bias(in.tensor<const char>()),
        rows(in.integer()),
        columns(in.integer()),
        type(in.integer()) {}
};

struct CastArguments {
  void* y;
  const void* x;
  int64_t elements;
  int64_t to;
  int64_t from;

  explicit CastArguments(Arguments& in)
      : y(in.tensor<char>()),
        x(in.tensor<const char>()),
        elements(in.integer()),
        to(in.integer()),
        from(in.integer()) {}
};

struct GatherRowsArguments {
  void* y;
  const void* x;
  const int32_t* rows;
  int64_t count;
  int64_t columns;
  int64_t typeY;
  int64_t typeX;
  int64_t first;
  int64_t held;

  explicit GatherRowsArguments(Arguments& in)
      : y(in.tensor<char>()),
        x(in.tensor<const char>()),
        rows(in.tensor<const int32_t>()),
        count(in.integer()),
        columns(in.integer()),
        typeY(in.integer()),
        typeX(in.integer()),
        first(in.integer()),
        held(in.integer()) {}
};

template <class T>
struct ScatterAddRowsArguments {
  float* y;
  const T* x;
  const int32_t* rows;
  int64_t count;
  int64_t columns;
  int64_t first;
  int64_t held;

  explicit ScatterAddRowsArguments(Arguments& in)
      : y(in.tensor<float>()),
        x(in.tensor<const T>()),
        rows(in.tensor<const int32_t>()),
        count(in.integer()),
        columns(in.integer()),
        first(in.integer()),
        held(in.integer()) {}
};

template <class T>
struct SumSquaresArguments {
  double* partials;
  const T* x;
  int64_t elements;

  explicit SumSquaresArguments(Arguments& in)
      : partials(in.tensor<double>()),
        x(in.tensor<const T>()),
        elements(in.integer()) {}
};

struct SumPartialsArguments {
  float* y;
  const double* partials;
  int64_t count;

  explicit SumPartialsArguments(Arguments& in)
      : y(in.tensor<float>()),
        partials(in.tensor<const double>()),
        count(in.integer()) {}
};

template <class T>
struct SumRowsArguments {
  float* y;
  const T* x;
  int64_t rows;
  int64_t columns;

  explicit SumRowsArguments(Arguments& in)
      : y(in.tensor<float>()),
        x(in.tensor<const T>()),
        rows(in.integer()),
        columns(in.integer()) {}
};

struct AdamwArguments {
  float* value;
  const float* gradient;
  float* m;
  float* v;
  void* copy;
  int64_t elements;
  int64_t copyType;
  float scale;
  double beta1;
  double beta2;
  float decay;
  float rate;
  float root;
  float epsilon;

  explicit AdamwArguments(Arguments& in)
      : value(in.tensor<float>()),
        gradient(in.tensor<const float>()),
        m(in.tensor<float>()),
        v(in.tensor<float>()),
        copy(in.tensor<char>()),
        elements(in.integer()),
        copyType(in.integer()),
        scale(in.scalar()),
        beta1(in.wide()),
        beta2(in.wide()),
        decay(in.scalar()),
        rate(in.scalar()),
        root(in.scalar()),
        epsilon(in.scalar()) {}
};

template <class T>
struct RmsNormArguments {
  T* y;
  float* rstd;
  const T* x;
  const void* gain;
  int64_t rows;
  int64_t columns;
  float eps;
  int64_t type;

  explicit RmsNormArguments(Arguments& in)
      : y(in.tensor<T>()),
        rstd(in.tensor<float>()),
        x(in.tensor<const T>()),
        gain(in.tensor<const char>()),
        rows(in.integer()),
        columns(in.integer()),
        eps(in.scalar()),
        type(in.integer()) {}
};

template <class T>
struct RmsNormGradArguments {
  T* dx;
  float* partials;
  const T* dy;
  const T* x;
  const void* gain;
  const float* rstd;
  int64_t rows;
  int64_t columns;
  int64_t chunkRows;
  bool accumulate;
  int64_t type;

  explicit RmsNormGradArguments(Arguments& in)
      : dx(in.tensor<T>()),
        partials(in.tensor<float>()),
        dy(in.tensor<const T>()),
        x(in.tensor<const T>()),
        gain(in.tensor<const char>()),
        rstd(in.tensor<const float>()),
        rows(in.integer()),
        columns(in.integer()),
        chunkRows(in.integer()),
        accumulate(in.integer() != 0),
        type(in.integer()) {}
};

template <class T>
struct RopeArguments {
  T* y;
  const T* x;
  const int32_t* positions;
  const float* table;
  int64_t rows;
  int64_t heads;
  int64_t width;
  bool half;
  bool inverse;

  explicit RopeArguments(Arguments& in)
      : y(in.tensor<T>()),
        x(in.tensor<const T>()),
        positions(in.tensor<const int32_t>()),
        table(in.tensor<const float>()),
        rows(in.integer()),
        heads(in.integer()),
        width(in.integer()),
        half(in.integer() != 0),
        inverse(in.integer() != 0) {}
};

template <class T>
struct SwigluArguments {
  T* y;
  const T* gate;
  const T* up;
  int64_t elements;

  explicit SwigluArguments(Arguments& in)
      : y(in.tensor<T>()),
        gate(in.tensor<const T>()),
        up(in.tensor<const T>()),
        elements(in.integer()) {}
};

template <class T>
struct SwigluGradArguments {
  T* dgate;
  T* dup;
  const T* dy;
  const T* gate;
  const T* up;
  int64_t elements;

  explicit SwigluGradArguments(Arguments& in)
      : dgate(in.tensor<T>()),
        dup(in.tensor<T>()),
        dy(in.tensor<const T>()),
        gate(in.tensor<const T>()),
        up(in.tensor<const T>()),
        elements(in.integer()) {}
};

template <class T>
struct PackPanelsArguments {
  T* packed;
  const void* source;
  int64_t columns;
  int64_t k;
  int64_t stride;
  bool along;
  int64_t type;

  explicit PackPanelsArguments(Arguments& in)
      : packed(in.tensor<T>()),
        source(in.tensor<const char>()),
        columns(in.integer()),
        k(in.integer()),
        stride(in.integer()),
        along(in.integer() != 0),
        type(in.integer()) {}
};

template <class T>
struct PackStripsArguments {
  T* packed;
  const void* source;
  int64_t columns;
  int64_t k;
  int64_t stride;
  bool along;
  int64_t type;

  explicit PackStripsArguments(Arguments& in)
      : packed(in.tensor<T>()),
        source(in.tensor<const char>()),
        columns(in.integer()),
        k(in.integer()),
        stride(in.integer()),
        along(in.integer() != 0),
        type(in.integer()) {}
};

struct GemmArguments {
  void* c;
  const void* a;
  const void* b;
  const void* residual;
  int64_t rows;
  int64_t columns;
  int64_t k;
  int64_t strideC;
  int64_t strideA;
  int64_t strideB;
  int64_t strideResidual;
  int64_t left;
  int64_t right;
  bool accumulate;
  int64_t typeC;
  int64_t typeA;
  int64_t typeB;

  explicit GemmArguments(Arguments& in)
      : c(in.tensor<char>()),
        a(in.tensor<const char>()),
        b(in.tensor<const char>()),
        residual(in.tensor<const char>()),
        rows(in.integer()),
        columns(in.integer()),
        k(in.integer()),
        strideC(in.integer()),
        strideA(in.integer()),
        strideB(in.integer()),
        strideResidual(in.integer()),
        left(in.integer()),
        right(in.integer()),
        accumulate(in.integer() != 0),
        typeC(in.integer()),
        typeA(in.integer()),
        typeB(in.integer()) {}
};

struct CrossEntropyArguments {
  float* losses;
  float* x;
  const int32_t* targets;
  const float* weights;
  int64_t rows;
  int64_t columns;
  int64_t stride;
  int64_t gradient;

  explicit CrossEntropyArguments(Arguments& in)
      : losses(in.tensor<float>()),
        x(in.tensor<float>()),
        targets(in.tensor<const int32_t>()),
        weights(in.tensor<const float>()),
        rows(in.integer()),
        columns(in.integer()),
        stride(in.integer()),
        gradient(in.integer()) {}
};

template <class T>
struct SampleArguments {
  int32_t* ids;
  const T* logits;
  const int32_t* seen;
  const int32_t* times;
  const int32_t* masks;
  int64_t rows;
  int64_t columns;
  int64_t vocabulary;
  const double* settings;

  explicit SampleArguments(Arguments& in)
      : ids(in.tensor<int32_t>()),
        logits(in.tensor<const T>()),
        seen(in.tensor<const int32_t>()),
        times(in.tensor<const int32_t>()),
        masks(in.tensor<const int32_t>()),
        rows(in.integer()),
        columns(in.integer()),
        vocabulary(in.integer()),
        settings(in.rest()) {}
};

template <class T>
struct LogProbabilitiesArguments {
  float* chosen;
  int32_t* ranks;
  int32_t* topIds;
  float* topValues;
  const T* logits;
  const int32_t* ids;
  int64_t rows;
  int64_t columns;
  int64_t vocabulary;
  int64_t most;

  explicit LogProbabilitiesArguments(Arguments& in)
      : chosen(in.tensor<float>()),
        ranks(in.tensor<int32_t>()),
        topIds(in.tensor<int32_t>()),
        topValues(in.tensor<float>()),
        logits(in.tensor<const T>()),
        ids(in.tensor<const int32_t>()),
        rows(in.integer()),
        columns(in.integer()),
        vocabulary(in.integer()),
        most(in.integer()) {}
};

struct SoftmaxShareArguments {
  float* share;
  const float* x;
  const int32_t* targets;
  int64_t rows;
  int64_t columns;
  int64_t stride;
  int64_t first;

  explicit SoftmaxShareArguments(Arguments& in)
      : share(in.tensor<float>()),
        x(in.tensor<const float>()),
        targets(in.tensor<const int32_t>()),
        rows(in.integer()),
        columns(in.integer()),
        stride(in.integer()),
        first(in.integer()) {}
};

struct CrossEntropyShareArguments {
  float* losses;
  float* x;
  const float* shares;
  const int32_t* targets;
  const float* weights;
  int64_t rows;
  int64_t columns;
  int64_t stride;
  int64_t parts;
  int64_t apart;
  int64_t first;
  bool half;

  explicit CrossEntropyShareArguments(Arguments& in)
      : losses(in.tensor<float>()),
        x(in.tensor<float>()),
        shares(in.tensor<const float>()),
        targets(in.tensor<const int32_t>()),
        weights(in.tensor<const float>()),
        rows(in.integer()),
        columns(in.integer()),
        stride(in.integer()),
        parts(in.integer()),
        apart(in.integer()),
        first(in.integer()),
        half(in.integer() != 0) {}
};

struct CacheWriteArguments {
  void* keyCache;
  void* valueCache;
  const void* k;
  const void* v;
  const int32_t* slots;
  int64_t count;
  int64_t columns;
  int64_t cacheType;
  int64_t type;

  explicit CacheWriteArguments(Arguments& in)
      : keyCache(in.tensor<char>()),
        valueCache(in.tensor<char>()),
        k(in.tensor<const char>()),
        v(in.tensor<const char>()),
        slots(in.tensor<const int32_t>()),
        count(in.integer()),
        columns(in.integer()),
        cacheType(in.integer()),
        type(in.integer()) {}
};

struct AttentionArguments {
  void* out;
  float* lse;
  const void* q;
  const void* k;
  const void* v;
  const int32_t* segments;
  bool half;
  int64_t T;
  int64_t S;
  int64_t H;
  int64_t K;
  int64_t E;
  float scale;
  int64_t window;

  explicit AttentionArguments(Arguments& in)
      : out(in.tensor<char>()),
        lse(in.tensor<float>()),
        q(in.tensor<const char>()),
        k(in.tensor<const char>()),
        v(in.tensor<const char>()),
        segments(in.tensor<const int32_t>()),
        half(in.integer() != 0),
        T(in.integer()),
        S(in.integer()),
        H(in.integer()),
        K(in.integer()),
        E(in.integer()),
        scale(in.scalar()),
        window(in.integer()) {}
};

struct AttentionGradArguments {
  void* dq;
  void* dk;
  void* dv;
  const void* dout;
  const void* q;
  const void* k;
  const void* v;
  const void* out;
  const float* lse;
  const int32_t* segments;
  bool half;
  int64_t T;
  int64_t S;
  int64_t H;
  int64_t K;
  int64_t E;
  float scale;
  int64_t window;

  explicit AttentionGradArguments(Arguments& in)
      : dq(in.tensor<char>()),
        dk(in.tensor<char>()),
        dv(in.tensor<char>()),
        dout(in.tensor<const char>()),
        q(in.tensor<const char>()),
        k(in.tensor<const char>()),
        v(in.tensor<const char>()),
        out(in.tensor<const char>()),
        lse(in.tensor<const float>()),
        segments(in.tensor<const int32_t>()),
        half(in.integer() != 0),
        T(in.integer()),
        S(in.integer()),
        H(in.integer()),
        K(in.integer()),
        E(in.integer()),
        scale(in.scalar()),
        window(in.integer()) {}
};

struct PagedAttentionArguments {
  void* out;
  float* partials;
  const void* q;
  const void* keys;
  const void* values;
  const int32_t* blockTable;
  const int32_t* queryStarts;
  const int32_t* lengths;
  int64_t blockSize;
  int64_t maxBlocks;
  int64_t stored;
  bool half;
  int64_t T;
  int64_t S;
  int64_t H;
  int64_t K;
  int64_t E;
  float scale;
  int64_t window;

  explicit PagedAttentionArguments(Arguments& in)
      : out(in.tensor<char>()),
        partials(in.tensor<float>()),
        q(in.tensor<const char>()),
        keys(in.tensor<const char>()),
        values(in.tensor<const char>()),
        blockTable(in.tensor<const int32_t>()),
        queryStarts(in.tensor<const int32_t>()),
        lengths(in.tensor<const int32_t>()),
        blockSize(in.integer()),
        maxBlocks(in.integer()),
        stored(in.integer()),
        half(in.integer() != 0),
        T(in.integer()),
        S(in.integer()),
        H(in.integer()),
        K(in.integer()),
        E(in.integer()),
        scale(in.scalar()),
        window(in.integer()) {}
};

struct JoinChunksArguments {
  void* out;
  float* partials;
  const void* q;
  const void* keys;
  const void* values;
  const int32_t* blockTable;
  const int32_t* queryStarts;
  const int32_t* lengths;
  int64_t blockSize;
  int64_t maxBlocks;
  int64_t stored;
  bool half;
  int64_t T;
  int64_t S;
  int64_t H;
  int64_t K;
  int64_t E;
  float scale;
  int64_t window;

  explicit JoinChunksArguments(Arguments& in)
      : out(in.tensor<char>()),
        partials(in.tensor<float>()),
        q(in.tensor<const char>()),
        keys(in.tensor<const char>()),
        values(in.tensor<const char>()),
        blockTable(in.tensor<const int32_t>()),
        queryStarts(in.tensor<const int32_t>()),
        lengths(in.tensor<const int32_t>()),
        blockSize(in.integer()),
        maxBlocks(in.integer()),
        stored(in.integer()),
        half(in.integer() != 0),
        T(in.integer()),
        S(in.integer()),
        H(in.integer()),
        K(in.integer()),
        E(in.integer()),
        scale(in.scalar()),
        window(in.integer()) {}
};

struct PackBlocksArguments {
  uint8_t* packed;
  const uint8_t* source;
  int64_t columns;
  int64_t k;
  int64_t format;

  explicit PackBlocksArguments(Arguments& in)
      : packed(in.tensor<uint8_t>()),
        source(in.tensor<const uint8_t>()),
        columns(in.integer()),
        k(in.integer()),
        format(in.integer()) {}
};

struct GatherBlocksArguments {
  void* y;
  const uint8_t* x;
  const int32_t* rows;
  int64_t count;
  int64_t columns;
  int64_t typeY;
  int64_t format;
  int64_t first;
  int64_t held;

  explicit GatherBlocksArguments(Arguments& in)
      : y(in.tensor<char>()),
        x(in.tensor<const uint8_t>()),
        rows(in.tensor<const int32_t>()),
        count(in.integer()),
        columns(in.integer()),
        typeY(in.integer()),
        format(in.integer()),
        first(in.integer()),
        held(in.integer()) {}
};

struct RoundRowsArguments {
  int8_t* q;
  float* scales;
  float* starts;
  const void* x;
  int64_t rows;
  int64_t k;
  int64_t type;
  int64_t format;

  explicit RoundRowsArguments(Arguments& in)
      : q(in.tensor<int8_t>()),
        scales(in.tensor<float>()),
        starts(in.tensor<float>()),
        x(in.tensor<const char>()),
        rows(in.integer()),
        k(in.integer()),
        type(in.integer()),
        format(in.integer()) {}
};

struct BlockProductArguments {
  void* y;
  const int8_t* q;
  const float* scales;
  const float* starts;
  const uint8_t* w;
  const void* residual;
  int64_t rows;
  int64_t columns;
  int64_t k;
  int64_t type;
  int64_t format;

  explicit BlockProductArguments(Arguments& in)
      : y(in.tensor<char>()),
        q(in.tensor<const int8_t>()),
        scales(in.tensor<const float>()),
        starts(in.tensor<const float>()),
        w(in.tensor<const uint8_t>()),
        residual(in.tensor<const char>()),
        rows(in.integer()),
        columns(in.integer()),
        k(in.integer()),
        type(in.integer()),
        format(in.integer()) {}
};

struct MeasureArguments {
  int64_t pieces;
  int64_t repeat;

  explicit MeasureArguments(Arguments& in)
      : pieces(in.integer()),
        repeat(in.integer()) {}
};

struct QuantizeArguments {
  uint8_t* out;
  const float* x;
  const float* importance;
  double* errors;
  int64_t type;
  int64_t rows;
  int64_t columns;

  explicit QuantizeArguments(Arguments& in)
      : out(in.tensor<uint8_t>()),
        x(in.tensor<const float>()),
        importance(in.tensor<const float>()),
        errors(in.tensor<double>()),
        type(in.integer()),
        rows(in.integer()),
        columns(in.integer()) {}
};

struct QuantizeFileArguments {
  uint8_t* out;
  const float* importance;
  double* errors;
  int64_t file;
  int64_t from;
  int64_t source;
  int64_t head;
  int64_t type;
  int64_t rows;
  int64_t columns;

  explicit QuantizeFileArguments(Arguments& in)
      : out(in.tensor<uint8_t>()),
        importance(in.tensor<const float>()),
        errors(in.tensor<double>()),
        file(in.integer()),
        from(in.integer()),
        source(in.integer()),
        head(in.integer()),
        type(in.integer()),
        rows(in.integer()),
        columns(in.integer()) {}
};

struct WidenedProductArguments {
  void* y;
  const void* x;
  const uint8_t* w;
  const void* residual;
  int64_t rows;
  int64_t columns;
  int64_t k;
  int64_t typeY;
  int64_t typeX;
  int64_t format;

  explicit WidenedProductArguments(Arguments& in)
      : y(in.tensor<char>()),
        x(in.tensor<const char>()),
        w(in.tensor<const uint8_t>()),
        residual(in.tensor<const char>()),
        rows(in.integer()),
        columns(in.integer()),
        k(in.integer()),
        typeY(in.integer()),
        typeX(in.integer()),
        format(in.integer()) {}
};

template <class T>
struct UnpackPanelsArguments {
  T* y;
  const T* packed;
  int64_t rows;
  int64_t k;
  int64_t first;
  int64_t columns;

  explicit UnpackPanelsArguments(Arguments& in)
      : y(in.tensor<T>()),
        packed(in.tensor<const T>()),
        rows(in.integer()),
        k(in.integer()),
        first(in.integer()),
        columns(in.integer()) {}
};

struct UnpackBlocksArguments {
  void* y;
  const uint8_t* x;
  int64_t rows;
  int64_t k;
  int64_t first;
  int64_t columns;
  int64_t typeY;
  int64_t format;
  bool panels;

  explicit UnpackBlocksArguments(Arguments& in)
      : y(in.tensor<char>()),
        x(in.tensor<const uint8_t>()),
        rows(in.integer()),
        k(in.integer()),
        first(in.integer()),
        columns(in.integer()),
        typeY(in.integer()),
        format(in.integer()),
        panels(in.integer() != 0) {}
};

}  // namespace cria::CRIA_ISA
