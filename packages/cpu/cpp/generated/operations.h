// Written by scripts/generate-commands.mjs from commands.mjs: edit that, then run it.
// The operations in the order of their codes, and the fingerprint of their arguments, which
// JavaScript compares with its own.
#pragma once

#define CRIA_LAYOUT "db8f410fc8518d3a"

#define CRIA_OPERATIONS(X) \
  X(free) \
  X(copy) \
  X(fill) \
  X(add) \
  X(addBias) \
  X(cast) \
  X(gatherRows) \
  X(scatterAddRows) \
  X(sumSquares) \
  X(sumPartials) \
  X(sumRows) \
  X(adamw) \
  X(rmsNorm) \
  X(rmsNormGrad) \
  X(rope) \
  X(swiglu) \
  X(swigluGrad) \
  X(packPanels) \
  X(packStrips) \
  X(gemm) \
  X(crossEntropy) \
  X(sample) \
  X(logProbabilities) \
  X(softmaxShare) \
  X(crossEntropyShare) \
  X(cacheWrite) \
  X(attention) \
  X(attentionGrad) \
  X(pagedAttention) \
  X(joinChunks) \
  X(packBlocks) \
  X(gatherBlocks) \
  X(roundRows) \
  X(blockProduct) \
  X(measure) \
  X(quantize) \
  X(quantizeFile) \
  X(widenedProduct) \
  X(unpackPanels) \
  X(unpackBlocks) \
  X(together) \
  X(call)
