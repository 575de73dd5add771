/*
 * exp(x) for x ≤ 0 from additions, multiplications and divisions of doubles in one stated order, so
 * that every device and every JavaScript engine has the same bits (ECMAScript leaves those of
 * `Math.exp` open; V8's are these). x = k·ln 2 + r with |r| ≤ ½ ln 2; exp(r) = 1 + r + r·c / (2 −
 * c), where c = r − r²·P(r²) with the minimax coefficients of Sun's fdlibm; then times 2ᵏ. Below
 * one unit in the last place from the true value. The C++ of it:
 * packages/cpu/cpp/kernels/sample/exponential.h.
 */

const LN2_HIGH = 6.9314718036912381649e-1;
const LN2_LOW = 1.90821492927058770002e-10;
const P1 = 1.66666666666666019037e-1;
const P2 = -2.77777777770155933842e-3;
const P3 = 6.61375632143793436117e-5;
const P4 = -1.6533902205465251539e-6;
const P5 = 4.13813679705723846039e-8;

/** Below this the result is nothing. */
const LEAST = -745.13321910194122211;
/** From here on k is not 0: ½ ln 2 up to the 20th binary place. */
const WHOLE = -0.3465735912322998;
/** 1 + x is as good as any polynomial. */
const TINY = -(2 ** -28);

/** 2 to the power of −k; beyond 2⁻¹⁰²¹ in two factors, of which only the last one rounds. */
const POWERS = Float64Array.from({ length: 1024 }, (_, k) => 2 ** -k);

/** exp(x); x ≤ 0, −Infinity gives 0 and NaN itself. */
export function exponential(x: number): number {
  if (x > TINY) return 1 + x;
  if (x <= WHOLE) {
    if (x < LEAST) return 0;
    const k = (0.5 - Math.LOG2E * x) | 0;
    const high = x + k * LN2_HIGH;
    const low = -(k * LN2_LOW);
    const y = reduced(high - low, high, low);
    return k <= 1021 ? y * POWERS[k] : y * POWERS[k - 1000] * POWERS[1000];
  }
  return reduced(x, x, 0);
}

/** exp(r), where r = high − low                                              |r| ≤ ½ ln 2 */
function reduced(r: number, high: number, low: number): number {
  const square = r * r;
  const c = r - square * (P1 + square * (P2 + square * (P3 + square * (P4 + square * P5))));
  return 1 - (low - (r * c) / (2 - c) - high);
}
