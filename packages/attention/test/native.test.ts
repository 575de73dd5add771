/** The C++ kernels against the oracle, for every instruction set of this machine; and the promise of equal bits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { random } from './helpers.ts';
import { equalBitsTests } from './native/equal-bits.ts';
import { halvesTests } from './native/halves.ts';
import { oracleTests } from './native/oracle.ts';
import { pagedTests } from './native/paged-cache.ts';
import { availableIsas, buildDriver, decode } from './native.ts';
import type { Driver, Isa } from './native.ts';

const { isas, skipped } = availableIsas();
for (const reason of skipped) console.log(`native attention kernels skipped, ${reason}`);

const drivers = new Map<Isa, Driver>();
beforeAll(() => {
  for (const isa of isas) drivers.set(isa, buildDriver(isa));
}, 600_000);
afterAll(() => {
  for (const driver of drivers.values()) driver.remove();
});

describe.each(isas)('%s', (isa) => {
  // The best of them runs all shapes, the others one of every case; `npm run test:isas` all.
  const full = isa === isas[0] || process.env['CRIA_HEAVY'] !== undefined;
  const driver = (): Driver => drivers.get(isa)!;

  oracleTests(driver, full);
  halvesTests(driver, full);
  equalBitsTests(driver, full);
  pagedTests(isa, driver, full);

  it('exp is within 2 units in the last place, and right at the ends', () => {
    const next = random(9);
    const x = Float32Array.from({ length: 20_000 }, (_, i) =>
      i % 2 ? 60 * next() : next() * 10 ** (-6 * Math.abs(next())),
    );
    x.set([-Infinity, Infinity, NaN, 0, -0, 88.7, 88.8, -87, -200]);
    const [y] = decode(driver().run({ op: 'exp', T: x.length, arrays: [x] }), [x.length]);
    expect(Array.from(y.subarray(0, 5))).toEqual([0, Infinity, NaN, 1, 1]);
    expect(y[6]).toBe(Infinity);
    const far = x.findIndex((value, i) => {
      const exact = Math.exp(value);
      if (i < 9 && (!Number.isFinite(exact) || exact > 3.4e38 || value < -87.3)) return false;
      return !(Math.abs(y[i] - exact) / 2 ** (Math.floor(Math.log2(exact)) - 23) < 2);
    });
    expect(far, `exp(${x[far]}) is ${y[far]}`).toBe(-1);
  });

  it('leaves no weak symbol outside its own namespace', () => {
    const weak = driver()
      .symbols()
      .split('\n')
      .filter((line) => / [WVu] /.test(line) && /cria::/.test(line) && !line.includes(`cria::${isa}::`));
    expect(weak).toEqual([]);
  });
});
