// Which kernel serves which operation and dtype, for one instruction set.
#pragma once
#include "attention-operations.h"
#include "kernels/blocks/product.h"
#include "kernels/blocks/unpack.h"
#include "cast.h"
#include "cross-entropy.h"
#include "elementwise.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/measure.h"
#include "optimizer.h"
#include "kernels/quantize/file.h"
#include "rms-norm.h"
#include "rope.h"
#include "rows.h"
#include "kernels/sample.h"
#include "swiglu.h"

namespace cria::CRIA_ISA {

/** Products whose weight is a half; the dtype of the command is the weight's. */
inline void fillHalfProducts(Kernel* table) {
  const auto of = [table](Op op, Dtype dtype) -> Kernel& {
    return table[static_cast<int32_t>(op) + OPERATIONS * static_cast<int32_t>(dtype)];
  };
  of(Op::packPanels_, Dtype::bf16) = entry<PackPanels<Bf16Unit>>();
  of(Op::unpackPanels_, Dtype::bf16) = entry<UnpackPanels<Bf16Unit>>();
  of(Op::packStrips_, Dtype::bf16) = entry<PackStrips<Bf16Unit>>();
  of(Op::gemm_, Dtype::bf16) = entry<Gemm<Bf16Unit>>();
  of(Op::measure_, Dtype::bf16) = entry<Measure<Bf16Unit>>();
  of(Op::packPanels_, Dtype::f16) = entry<PackPanels<Widened<F16>>>();
  of(Op::unpackPanels_, Dtype::f16) = entry<UnpackPanels<Widened<F16>>>();
  of(Op::packStrips_, Dtype::f16) = entry<PackStrips<Widened<F16>>>();
  of(Op::gemm_, Dtype::f16) = entry<Gemm<Widened<F16>>>();
}

/** Products whose weight is quantised. */
inline void fillBlockProducts(Kernel* table) {
  const auto f32 = [table](Op op) -> Kernel& { return table[static_cast<int32_t>(op)]; };
  f32(Op::packBlocks_) = entry<PackBlocks>();
  f32(Op::unpackBlocks_) = entry<UnpackBlocks>();
  f32(Op::gatherBlocks_) = entry<GatherBlocks>();
  f32(Op::roundRows_) = entry<RoundRows>();
  f32(Op::blockProduct_) = entry<BlockProduct>();
}

/** Attention forward: rows of bf16 are multiplied in pairs where the instruction set can. */
inline void fillAttention(Kernel* table) {
  const auto f32 = [table](Op op) -> Kernel& { return table[static_cast<int32_t>(op)]; };
  f32(Op::attention_) = entry<Attention>();
  f32(Op::pagedAttention_) = entry<PagedAttention>();
  f32(Op::joinChunks_) = entry<JoinChunks>();
}

inline void fillTable(Kernel* table) {
  const auto bf16 = [table](Op op) -> Kernel& {
    return table[static_cast<int32_t>(op) + OPERATIONS * static_cast<int32_t>(Dtype::bf16)];
  };
  const auto f32 = [table](Op op) -> Kernel& {
    return table[static_cast<int32_t>(op) + OPERATIONS * static_cast<int32_t>(Dtype::f32)];
  };
  f32(Op::copy_) = entry<Copy>();
  f32(Op::fill_) = entry<Fill>();
  f32(Op::add_) = entry<Add<float>>();
  bf16(Op::add_) = entry<Add<Bf16>>();
  f32(Op::addBias_) = entry<AddBias<float>>();
  bf16(Op::addBias_) = entry<AddBias<Bf16>>();
  f32(Op::cast_) = entry<Cast>();
  f32(Op::gatherRows_) = entry<GatherRows>();
  f32(Op::scatterAddRows_) = entry<ScatterAddRows<float>>();
  bf16(Op::scatterAddRows_) = entry<ScatterAddRows<Bf16>>();
  f32(Op::sumSquares_) = entry<SumSquares<float>>();
  bf16(Op::sumSquares_) = entry<SumSquares<Bf16>>();
  f32(Op::sumPartials_) = entry<SumPartials>();
  f32(Op::sumRows_) = entry<SumRows<float>>();
  bf16(Op::sumRows_) = entry<SumRows<Bf16>>();
  f32(Op::adamw_) = entry<Adamw>();
  f32(Op::rmsNorm_) = entry<RmsNorm<float>>();
  bf16(Op::rmsNorm_) = entry<RmsNorm<Bf16>>();
  f32(Op::rmsNormGrad_) = entry<RmsNormGrad<float>>();
  bf16(Op::rmsNormGrad_) = entry<RmsNormGrad<Bf16>>();
  f32(Op::rope_) = entry<Rope<float>>();
  bf16(Op::rope_) = entry<Rope<Bf16>>();
  f32(Op::swiglu_) = entry<Swiglu<float>>();
  bf16(Op::swiglu_) = entry<Swiglu<Bf16>>();
  f32(Op::swigluGrad_) = entry<SwigluGrad<float>>();
  bf16(Op::swigluGrad_) = entry<SwigluGrad<Bf16>>();
  f32(Op::packPanels_) = entry<PackPanels<Widened<float>>>();
  f32(Op::unpackPanels_) = entry<UnpackPanels<Widened<float>>>();
  f32(Op::packStrips_) = entry<PackStrips<Widened<float>>>();
  f32(Op::gemm_) = entry<Gemm<Widened<float>>>();
  fillHalfProducts(table);
  fillBlockProducts(table);
  f32(Op::crossEntropy_) = entry<CrossEntropy>();
  f32(Op::sample_) = entry<Sample<float>>();
  bf16(Op::sample_) = entry<Sample<Bf16>>();
  f32(Op::logProbabilities_) = entry<LogProbabilities<float>>();
  bf16(Op::logProbabilities_) = entry<LogProbabilities<Bf16>>();
  f32(Op::softmaxShare_) = entry<SoftmaxShare>();
  f32(Op::crossEntropyShare_) = entry<CrossEntropyShare>();
  f32(Op::cacheWrite_) = entry<CacheWrite>();
  f32(Op::attentionGrad_) = entry<AttentionGrad>();
  fillAttention(table);
  f32(Op::measure_) = entry<Measure<Widened<float>>>();
  f32(Op::quantize_) = entry<Quantize>();
#ifndef __wasm__
  f32(Op::quantizeFile_) = entry<QuantizeFile>();
#endif
}

}  // namespace cria::CRIA_ISA
