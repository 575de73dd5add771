import type { Break } from './broken-kernels.ts';

/** Kernels over a part of a vocabulary that are wrong in one place. */
export const brokenParts: [string, RegExp, Break][] = [
  [
    'cross entropy over parts forgets the weights of rows',
    /^linearCrossEntropyShare:/,
    (raw) => ({
      linearCrossEntropyShare: (losses, shares, x, w, targets, part, grads) =>
        raw.linearCrossEntropyShare(losses, shares, x, w, targets, part, grads),
    }),
  ],
  [
    'cross entropy over parts knows its own part alone',
    /^linearCrossEntropyShare:/,
    (raw) => ({
      linearCrossEntropyShare: (losses, shares, ...rest) =>
        raw.linearCrossEntropyShare(losses, shares.slice(0, 1), ...rest),
    }),
  ],
  [
    'a share forgets where its part begins',
    /^linearSoftmaxShare:/,
    (raw) => ({
      linearSoftmaxShare: (share, x, w, targets, { of }) =>
        raw.linearSoftmaxShare(share, x, w, targets, { first: 0, of }),
    }),
  ],
  [
    'cross entropy over parts overwrites dw',
    /^linearCrossEntropyShare:/,
    (raw) => ({
      linearCrossEntropyShare(losses, shares, x, w, targets, part, grads, weights) {
        if (grads?.dw) raw.fill(grads.dw, 0);
        raw.linearCrossEntropyShare(losses, shares, x, w, targets, part, grads, weights);
      },
    }),
  ],
  [
    'embedding of a part gives its first row in the place of nothing',
    /^embedding:/,
    (raw, device) => ({
      embedding(y, tokens, table, part) {
        if (!part) return raw.embedding(y, tokens, table);
        const zeros = device.empty(tokens.shape, 'i32');
        raw.embedding(y, zeros, table); // the first row in the place of nothing
      },
    }),
  ],
  [
    'embeddingGrad of a part forgets where it begins',
    /^embeddingGrad:/,
    (raw) => ({
      embeddingGrad: (dtable, dy, tokens, part) =>
        raw.embeddingGrad(dtable, dy, tokens, part && { first: 0, of: part.of }),
    }),
  ],
];
