#include "isa.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace cria {
namespace {

#if defined(__x86_64__) || defined(__i386__)
/** Register state that the system saves: XCR0. */
uint64_t savedState() {
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c >> 27 & 1) == 0) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

bool bits(uint32_t value, uint32_t wanted) { return (value & wanted) == wanted; }

/** AVX2, FMA and F16C, with the upper halves of the registers saved. */
bool hasAvx2() {
  uint32_t a, b, c, d;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !bits(c, 1u << 12 | 1u << 28 | 1u << 29)) return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || !bits(b, 1u << 5)) return false;
  return (savedState() & 0x6) == 0x6;
}

/** AVX-512 F, DQ, BW and VL, with masks and all 32 registers saved. */
[[maybe_unused]] bool hasAvx512() {
  uint32_t a, b, c, d;
  if (!hasAvx2() || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  return bits(b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31) && (savedState() & 0xe6) == 0xe6;
}

/** And dot products of bytes. */
[[maybe_unused]] bool hasAvx512Vnni() {
  uint32_t a, b, c, d;
  return hasAvx512() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && bits(c, 1u << 11);
}

/** And dot products of bf16 pairs. */
[[maybe_unused]] bool hasAvx512Bf16() {
  uint32_t a, b, c, d;
  return hasAvx512Vnni() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && bits(a, 1u << 5);
}

/** Intel's processors do bf16 pairs at half the rate of f32, AMD's at twice (measured): there widening is slower, here faster. */
[[maybe_unused]] bool pairsAreFast() {
  uint32_t a, b, c, d;
  return __get_cpuid(0, &a, &b, &c, &d) != 0 && b == 0x68747541u;  // "Auth"enticAMD
}
#endif

[[maybe_unused]] bool always() { return true; }

/** Fastest first, where bf16 pairs are. A build for one processor leaves out what others would need. */
constexpr Isa KNOWN[] = {
#if defined(__x86_64__) || defined(__i386__)
#ifndef CRIA_WITHOUT_avx512
    {"avx512bf16", hasAvx512Bf16, fill_avx512bf16},
    {"avx512vnni", hasAvx512Vnni, fill_avx512vnni},
    {"avx512", hasAvx512, fill_avx512},
#endif
#ifndef CRIA_WITHOUT_avx2
    {"avx2", hasAvx2, fill_avx2},
#endif
#endif
#ifndef CRIA_WITHOUT_baseline
    {"baseline", always, fill_baseline},
#endif
};
constexpr int32_t COUNT = static_cast<int32_t>(sizeof KNOWN / sizeof *KNOWN);

/** Which of `KNOWN` comes i-th: the first two change places where pairs are slow. */
int32_t place(int32_t i) {
#if (defined(__x86_64__) || defined(__i386__)) && !defined(CRIA_WITHOUT_avx512)
  if (i < 2 && !pairsAreFast()) return 1 - i;
#endif
  return i;
}

LoadedIsa* loadAll() {
  LoadedIsa* loaded = new LoadedIsa[COUNT]();
  for (int32_t i = 0; i < COUNT; i++) {
    const Isa& isa = KNOWN[place(i)];
    loaded[i].name = isa.name;
    loaded[i].available = isa.available();
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
