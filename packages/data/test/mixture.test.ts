import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mixture } from '@cria/data';

describe('the mixture', () => {
  it('has the exact shares of the paper in every period', () => {
    const weights = [67, 15, 4.5, 4.5, 4.5, 2.5, 2];
    const mixture = new Mixture(weights);
    expect(mixture.period).toBe(200);
    const counts = weights.map(() => 0);
    for (let n = 1000; n < 1200; n++) counts[mixture.at(n).source]!++;
    expect(counts).toEqual(weights.map((weight) => 2 * weight));
  });

  it('never has a source a whole sample away from its share, and counts draws', () => {
    const weights = fc.array(fc.oneof(fc.nat(20), fc.double({ min: 0, max: 3, noNaN: true })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        weights.filter((all) => all.some((weight) => weight > 1e-6)),
        fc.nat(1e9),
        (all, far) => {
          const mixture = new Mixture(all);
          const drawn = all.map(() => 0);
          for (let n = 0; n < 400; n++) {
            const { source, draw } = mixture.at(n);
            expect(draw).toBe(drawn[source]);
            drawn[source]!++;
            for (const [i, share] of mixture.shares.entries()) {
              expect(Math.abs(drawn[i]! - ((n + 1) * share) / mixture.period)).toBeLessThan(1);
              if (all[i] === 0) expect(drawn[i]).toBe(0);
            }
          }
          const { source, draw } = mixture.at(far);
          expect(mixture.drawn(source, far)).toBe(draw);
          expect(all.reduce((sum, _, i) => sum + mixture.drawn(i, far), 0)).toBe(far);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps any weights to 1 / 65536', () => {
    const weights = [Math.PI, Math.E, 1e-3];
    const { shares, period } = new Mixture(weights);
    const total = weights.reduce((a, b) => a + b);
    for (const [i, share] of shares.entries())
      expect(Math.abs(share / period - weights[i]! / total)).toBeLessThan(2 / 65536);
  });

  it('refuses weights that are none', () => {
    expect(() => new Mixture([0, 0])).toThrow('at least one must be above 0');
    expect(() => new Mixture([1, -1])).toThrow('weights are 1, -1');
    expect(() => new Mixture([NaN])).toThrow('weights are NaN');
  });
});
