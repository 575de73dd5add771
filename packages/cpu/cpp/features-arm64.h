// What an arm64 processor has beside NEON, which all have.
#pragma once
#ifdef __linux__
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <stddef.h>
#include <sys/sysctl.h>
#endif

namespace cria {
namespace {

/** Dot products of bytes (FEAT_DotProd). */
[[maybe_unused]] const char* missingDotProducts() {
#if defined(__linux__)
  constexpr unsigned long ASIMDDP = 1ul << 20;
  const bool has = (getauxval(AT_HWCAP) & ASIMDDP) != 0;
#elif defined(__APPLE__)
  int value = 0;
  size_t size = sizeof value;
  const bool has =
      sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, nullptr, 0) == 0 && value != 0;
#else
  const bool has = false;
#endif
  return has ? nullptr : "the processor does not have it";
}

}  // namespace
}  // namespace cria
