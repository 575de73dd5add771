#include "isa.h"

#if defined(__x86_64__) || defined(__i386__)
#define CRIA_X64 1
#include "features-x64.h"
#elif defined(__aarch64__)
#define CRIA_ARM64 1
#include "features-arm64.h"
#endif

namespace cria {
namespace {

[[maybe_unused]] const char* always() { return nullptr; }

// A build that leaves an instruction set out defines CRIA_WITHOUT_<name> as the reason
// (scripts/isas.mjs).
#define CRIA_LEFT_OUT(name) \
  {#name, [] { return static_cast<const char*>(CRIA_WITHOUT_##name); }, nullptr}

/** Fastest first, where bf16 pairs are. */
constexpr Isa KNOWN[] = {
#ifdef CRIA_X64
#ifdef CRIA_WITHOUT_amx
    CRIA_LEFT_OUT(amx),
#else
    {"amx", missingAmx, fill_amx},
#endif
#ifdef CRIA_WITHOUT_avx512bf16
    CRIA_LEFT_OUT(avx512bf16),
#else
    {"avx512bf16", missingAvx512Bf16, fill_avx512bf16},
#endif
#ifdef CRIA_WITHOUT_avx512vnni
    CRIA_LEFT_OUT(avx512vnni),
#else
    {"avx512vnni", missingAvx512Vnni, fill_avx512vnni},
#endif
#ifdef CRIA_WITHOUT_avx512
    CRIA_LEFT_OUT(avx512),
#else
    {"avx512", missingAvx512, fill_avx512},
#endif
#ifdef CRIA_WITHOUT_avx2
    CRIA_LEFT_OUT(avx2),
#else
    {"avx2", missingAvx2, fill_avx2},
#endif
#endif
#ifdef CRIA_ARM64
#ifdef CRIA_WITHOUT_neondot
    CRIA_LEFT_OUT(neondot),
#else
    {"neondot", missingDotProducts, fill_neondot},
#endif
#ifdef CRIA_WITHOUT_neon
    CRIA_LEFT_OUT(neon),
#else
    {"neon", always, fill_neon},
#endif
#endif
#ifdef CRIA_WITHOUT_baseline
    CRIA_LEFT_OUT(baseline),
#else
    {"baseline", always, fill_baseline},
#endif
};
constexpr int32_t COUNT = static_cast<int32_t>(sizeof KNOWN / sizeof *KNOWN);

/**
 * Which of `KNOWN` comes i-th. For bf16: tiles where there are any, else pairs where they are fast,
 * else widening to f32; so the two after tiles change places where pairs are slow.
 */
int32_t place(int32_t i) {
#ifdef CRIA_X64
  if ((i == 1 || i == 2) && !pairsAreFast()) return 3 - i;
#endif
  return i;
}

LoadedIsa* loadAll() {
  LoadedIsa* loaded = new LoadedIsa[COUNT]();
  for (int32_t i = 0; i < COUNT; i++) {
    const Isa& isa = KNOWN[place(i)];
    loaded[i].name = isa.name;
    loaded[i].missing = isa.missing();
    loaded[i].available = loaded[i].missing == nullptr;
    if (loaded[i].available) isa.fill(loaded[i].kernels, loaded[i].panel);
  }
  return loaded;
}

}  // namespace

const LoadedIsa* instructionSets(int32_t& count) {
  static const LoadedIsa* const loaded = loadAll();
  count = COUNT;
  return loaded;
}

}  // namespace cria
