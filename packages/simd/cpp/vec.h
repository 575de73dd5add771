// The vectors of the instruction set that a file is compiled for, chosen by the compiler's flags;
// CRIA_PORTABLE asks for the form that needs none. A file defines CRIA_ISA first, a name for the
// namespace that keeps its code apart from that of other sets.
#pragma once

#if defined(CRIA_PORTABLE)
#include "vec-baseline.h"
#elif defined(__AVX512F__)
#include "vec-avx512.h"
#elif defined(__AVX2__)
#include "vec-avx2.h"
#elif defined(__ARM_NEON)
#include "vec-neon.h"
#else
#include "vec-baseline.h"
#endif
