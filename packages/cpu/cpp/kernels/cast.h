// Conversion between float dtypes, to nearest even.
#pragma once
#include "operation.h"

namespace cria::CRIA_ISA {

/** Calls work(p) with p as a pointer to elements of `type`, a code of `Dtype`. */
template <class Work>
inline auto withElements(int64_t type, void* p, Work work) {
  if (type == static_cast<int64_t>(Dtype::bf16)) return work(static_cast<Bf16*>(p));
  if (type == static_cast<int64_t>(Dtype::f16)) return work(static_cast<F16*>(p));
  return work(static_cast<float*>(p));
}
template <class Work>
inline auto withElements(int64_t type, const void* p, Work work) {
  if (type == static_cast<int64_t>(Dtype::bf16)) return work(static_cast<const Bf16*>(p));
  if (type == static_cast<int64_t>(Dtype::f16)) return work(static_cast<const F16*>(p));
  return work(static_cast<const float*>(p));
}

template <class Pointer>
struct Pointee;
template <class T>
struct Pointee<T*> {
  using Type = T;
};
/** What a pointer points to. */
template <class Pointer>
using Element = typename Pointee<Pointer>::Type;

template <class A, class B>
constexpr bool same = false;
template <class A>
constexpr bool same<A, A> = true;

/** to[i] = from[i], start ≤ i < end */
template <class To, class From>
inline void convert(To* to, const From* from, int64_t start, int64_t end) {
  if constexpr (same<To, From>) {
    __builtin_memcpy(to + start, from + start, static_cast<size_t>(end - start) * sizeof(To));
    return;
  }
  forVectors(start, end,
             [&](int64_t i, int64_t n) { storeSome(to + i, loadSome(from + i, n), n); });
}

/** y = x in another dtype. `to` and `from` are codes of `Dtype`. */
struct Cast : CastArguments {
  static constexpr int64_t PIECE = 1 << 15;
  using CastArguments::CastArguments;

  int64_t chunks() const { return ceilDivide(elements, PIECE); }
  void run(int64_t chunk, ThreadMemory&) const {
    const Range range = piece(chunk, PIECE, elements);
    withElements(to, y, [&](auto* target) {
      withElements(from, x, [&](auto* source) { convert(target, source, range.start, range.end); });
    });
  }
};

}  // namespace cria::CRIA_ISA
