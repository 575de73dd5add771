// What an x86 processor and its system can run: CPUID, the register state that the system saves,
// and the permission for tiles. Feature bits decide, never the model. Each `missing…` is null where
// the instruction set can be used, else says why not.
#pragma once
#include <cpuid.h>
#include <errno.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

namespace cria {
namespace {

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};
/** Zeros where the processor does not know the leaf. */
Registers cpuid(uint32_t leaf, uint32_t sub = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

/** Register state that the system saves: XCR0. */
uint64_t savedState() {
  if ((cpuid(1).c >> 27 & 1) == 0) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

bool bits(uint64_t value, uint64_t wanted) { return (value & wanted) == wanted; }

/** AVX2, FMA and F16C, with the upper halves of the registers saved. */
[[maybe_unused]] const char* missingAvx2() {
  if (!bits(cpuid(1).c, 1u << 12 | 1u << 28 | 1u << 29) || !bits(cpuid(7).b, 1u << 5))
    return "the processor does not have it";
  return bits(savedState(), 0x6) ? nullptr : "the system does not save its registers";
}

/** AVX-512 F, DQ, BW and VL, with masks and all 32 registers saved. */
[[maybe_unused]] const char* missingAvx512() {
  if (const char* why = missingAvx2()) return why;
  if (!bits(cpuid(7).b, 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31))
    return "the processor does not have it";
  return bits(savedState(), 0xe6) ? nullptr : "the system does not save its registers";
}

/** And dot products of bytes. */
[[maybe_unused]] const char* missingAvx512Vnni() {
  if (const char* why = missingAvx512()) return why;
  return bits(cpuid(7).c, 1u << 11) ? nullptr : "the processor does not have it";
}

/** And dot products of bf16 pairs. */
[[maybe_unused]] const char* missingAvx512Bf16() {
  if (const char* why = missingAvx512Vnni()) return why;
  return bits(cpuid(7, 1).a, 1u << 5) ? nullptr : "the processor does not have it";
}

/** Asks the system, once a process, to save tiles; threads inherit the permission. */
[[maybe_unused]] const char* missingPermission() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;
  if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0) return nullptr;
  if (errno == ENOSPC)
    return "the system refused the permission for tiles: a thread's signal stack is too small";
  return errno == EINVAL ? "the system does not know the permission for tiles (Linux 5.16 does)"
                         : "the system refused the permission for tiles";
#else
  return "tiles are used on Linux only";
#endif
}

/**
 * AVX-512 with VNNI and BF16 (activations are rounded by it), and tiles with products of bf16 and
 * of bytes.
 */
[[maybe_unused]] const char* missingAmx() {
#ifdef CRIA_AMX_EMULATED
  return missingAvx512Bf16();
#else
  if (const char* why = missingAvx512Bf16()) return why;
  if (!bits(cpuid(7).d, 1u << 22 | 1u << 24 | 1u << 25)) return "the processor does not have it";
  if (!bits(savedState(), 3u << 17)) return "the system does not save its registers";
  return missingPermission();
#endif
}

/**
 * Intel's processors do bf16 pairs at half the rate of f32, AMD's at twice (measured): there
 * widening is slower, here faster.
 */
[[maybe_unused]] bool pairsAreFast() { return cpuid(0).b == 0x68747541u; }  // "Auth"enticAMD

}  // namespace
}  // namespace cria
