import { Checker } from './checker.ts';
import type { Device } from './device.ts';
import { fail } from './errors.ts';
import { boundsOf } from './integers.ts';
import { checkSampleRows } from './sample-rows.ts';
import { kernelNames, type Kernels, type LossGradients } from './kernels.ts';
import type { Tensor } from './tensor.ts';

/**
 * The one place where kernel arguments are checked: shapes, dtypes, devices, and whether indices
 * (token ids, positions, segments, slots, …) stay inside what they are indices of, by what the host
 * wrote into them. Devices get arguments that fit and check nothing again.
 */
export function checkKernels(device: Device, raw: Kernels): Kernels {
  const missing = kernelNames.filter((name) => typeof raw[name] !== 'function');
  if (missing.length > 0) fail(device.name, `the device has no kernels for ${missing.join(', ')}.`);
  const check = new Checker(device);
  return {
    ...products(check, raw),
    ...losses(check, raw),
    ...lookups(check, raw),
    ...norms(check, raw),
    ...attentions(check, raw),
    ...samplers(check, raw),
    ...elements(check, raw),
    ...updates(check, raw),
  };
}

/** Products of rows with weights. */
function products(
  check: Checker,
  raw: Kernels,
): Pick<Kernels, 'linear' | 'linears' | 'linearGradInput' | 'linearGradWeight'> {
  return {
    linear(y, x, w, options = {}) {
      check.op('linear', { y, x, w, residual: options.residual });
      check.columns(w, x.columns).float(y, x).rows(x.rows, y).columns(y, w.rows).same(y, x);
      if (options.residual) check.shape(options.residual, y.shape).same(options.residual, y);
      raw.linear(y, x, w, options);
    },
    linears(ys, x, ws) {
      if (ys.length !== ws.length) fail('linears', `${ys.length} outputs for ${ws.length} weights.`);
      for (let i = 0; i < ys.length; i++) {
        const [y, w] = [ys[i], ws[i]];
        check.op('linears', { y, x, w });
        check.columns(w, x.columns).float(y, x).rows(x.rows, y).columns(y, w.rows).same(y, x);
      }
      raw.linears(ys, x, ws);
    },
    linearGradInput(dx, dy, w, options = {}) {
      check.op('linearGradInput', { dx, dy, w });
      check.float(dx, dy).rows(dy.rows, dx).columns(dy, w.rows).columns(dx, w.columns).same(dx, dy);
      raw.linearGradInput(dx, dy, w, options);
    },
    linearGradWeight(dw, dy, x) {
      check.op('linearGradWeight', { dw, dy, x });
      check.float(dy, x).rows(dy.rows, x).rows(dy.columns, dw).columns(dw, x.columns).wide(dw, x);
      raw.linearGradWeight(dw, dy, x);
    },
  };
}

/** The output layer and the loss in one. */
function losses(
  check: Checker,
  raw: Kernels,
): Pick<Kernels, 'linearCrossEntropy' | 'linearSoftmaxShare' | 'linearCrossEntropyShare'> {
  const gradients = (x: Tensor, w: Tensor, grads: LossGradients | undefined) => {
    if (grads) check.shape(grads.dx, x.shape).same(grads.dx, x);
    if (grads?.dw) check.shape(grads.dw, w.shape).wide(grads.dw, x).plain(w);
  };
  return {
    linearCrossEntropy(losses, x, w, targets, grads, weights) {
      check.op('linearCrossEntropy', { losses, x, w, targets, dx: grads?.dx, dw: grads?.dw, weights });
      check
        .float(x)
        .columns(w, x.columns)
        .integers(targets)
        .size(targets, x.rows)
        .size(losses, x.rows)
        .wide(losses, x)
        .ids(targets, w.rows, undefined, 'ignored');
      gradients(x, w, grads);
      if (weights) check.size(weights, x.rows).wide(weights, x);
      raw.linearCrossEntropy(losses, x, w, targets, grads, weights);
    },
    linearSoftmaxShare(share, x, w, targets, part) {
      check.op('linearSoftmaxShare', { share, x, w, targets });
      check
        .float(x)
        .columns(w, x.columns)
        .integers(targets)
        .size(targets, x.rows)
        .shape(share, [x.rows, 3])
        .wide(share, x)
        .ids(targets, w.rows, part, 'ignored');
      raw.linearSoftmaxShare(share, x, w, targets, part);
    },
    linearCrossEntropyShare(losses, shares, x, w, targets, part, grads, weights) {
      const { dx, dw } = grads ?? {};
      check.op('linearCrossEntropyShare', { losses, shares, x, w, targets, dx, dw, weights });
      check
        .float(x)
        .columns(w, x.columns)
        .integers(targets)
        .size(targets, x.rows)
        .size(losses, x.rows)
        .wide(losses, x)
        .shape(shares, [shares.shape[0], x.rows, 3])
        .wide(shares, x)
        .ids(targets, w.rows, part, 'ignored');
      gradients(x, w, grads);
      if (weights) check.size(weights, x.rows).wide(weights, x);
      raw.linearCrossEntropyShare(losses, shares, x, w, targets, part, grads, weights);
    },
  };
}

/** Rows found by index. */
function lookups(check: Checker, raw: Kernels): Pick<Kernels, 'embedding' | 'embeddingGrad' | 'gatherRows'> {
  return {
    embedding(y, tokens, table, part) {
      check.op('embedding', { y, tokens, table });
      check.integers(tokens).rows(tokens.size, y).columns(y, table.columns).float(y);
      check.ids(tokens, table.rows, part);
      raw.embedding(y, tokens, table, part);
    },
    embeddingGrad(dtable, dy, tokens, part) {
      check.op('embeddingGrad', { dtable, dy, tokens });
      check.integers(tokens).rows(tokens.size, dy).columns(dtable, dy.columns).float(dy).wide(dtable, dy);
      check.ids(tokens, dtable.rows, part);
      raw.embeddingGrad(dtable, dy, tokens, part);
    },
    gatherRows(y, x, rows) {
      check.op('gatherRows', { y, x, rows });
      check.integers(rows).size(rows, y.rows).columns(y, x.columns).same(y, x).inside(rows, x.rows);
      raw.gatherRows(y, x, rows);
    },
  };
}

/** Norms and biases: a vector beside every row. */
function norms(
  check: Checker,
  raw: Kernels,
): Pick<Kernels, 'rmsNorm' | 'rmsNormGrad' | 'addBias' | 'biasGrad'> {
  return {
    rmsNorm(y, rstd, x, gain, options) {
      check.op('rmsNorm', { y, rstd, x, gain });
      check.float(y, x, gain).shape(y, x.shape).size(gain, x.columns).same(y, x);
      if (rstd) check.size(rstd, x.rows).wide(rstd, x);
      raw.rmsNorm(y, rstd, x, gain, options);
    },
    rmsNormGrad(dx, dgain, dy, x, gain, rstd, options = {}) {
      check.op('rmsNormGrad', { dx, dgain, dy, x, gain, rstd });
      check
        .float(dx, dy, x, gain)
        .shape(dx, x.shape)
        .shape(dy, x.shape)
        .size(gain, x.columns)
        .size(rstd, x.rows)
        .wide(rstd, x);
      if (dgain) check.size(dgain, x.columns).wide(dgain, x);
      raw.rmsNormGrad(dx, dgain, dy, x, gain, rstd, options);
    },
    addBias(y, bias) {
      check.op('addBias', { y, bias });
      check.float(y, bias).size(bias, y.columns);
      raw.addBias(y, bias);
    },
    biasGrad(dbias, dy) {
      check.op('biasGrad', { dbias, dy });
      check.float(dy).size(dbias, dy.columns).wide(dbias, dy);
      raw.biasGrad(dbias, dy);
    },
  };
}

/** Attention, its caches, and the rotation of heads. */
function attentions(
  check: Checker,
  raw: Kernels,
): Pick<Kernels, 'rope' | 'attention' | 'attentionGrad' | 'cacheWrite' | 'pagedAttention'> {
  return {
    rope(y, x, positions, table, options) {
      check.op('rope', { y, x, positions, table });
      check
        .float(y, x)
        .shape(y, x.shape)
        .same(y, x)
        .integers(positions)
        .size(positions, x.rows)
        .wide(table, x);
      check
        .multiple(x.columns, options.heads, 'heads')
        .columns(table, x.columns / options.heads)
        .multiple(table.columns, 2, 'pairs')
        .inside(positions, table.rows);
      raw.rope(y, x, positions, table, options);
    },
    attention(out, lse, q, k, v, segments, shape) {
      check.op('attention', { out, lse, q, k, v, segments });
      check
        .heads(out, q, k, v, shape)
        .rows(q.rows, k, v)
        .integers(segments)
        .shape(lse, [q.rows, shape.heads])
        .wide(lse, q)
        .starts(segments, q.rows);
      raw.attention(out, lse, q, k, v, segments, shape);
    },
    attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape) {
      check.op('attentionGrad', { dq, dk, dv, dout, q, k, v, out, lse, segments });
      check
        .heads(out, q, k, v, shape)
        .rows(q.rows, k, v)
        .integers(segments)
        .shape(lse, [q.rows, shape.heads])
        .wide(lse, q)
        .starts(segments, q.rows);
      for (const tensor of [dq, dout]) check.shape(tensor, q.shape).same(tensor, q);
      for (const tensor of [dk, dv]) check.shape(tensor, k.shape).same(tensor, k);
      raw.attentionGrad(dq, dk, dv, dout, q, k, v, out, lse, segments, shape);
    },
    cacheWrite(keyCache, valueCache, k, v, slots) {
      check.op('cacheWrite', { keyCache, valueCache, k, v, slots });
      check
        .integers(slots)
        .size(slots, k.rows)
        .shape(v, k.shape)
        .columns(keyCache, k.columns)
        .shape(valueCache, keyCache.shape)
        .cache(keyCache, valueCache)
        .inside(slots, keyCache.rows, 'negative');
      raw.cacheWrite(keyCache, valueCache, k, v, slots);
    },
    pagedAttention(out, q, keyCache, valueCache, blockTable, queryStarts, lengths, shape) {
      check.op('pagedAttention', { out, q, keyCache, valueCache, blockTable, queryStarts, lengths });
      check
        .heads(out, q, keyCache, valueCache, shape)
        .shape(valueCache, keyCache.shape)
        .cache(keyCache, valueCache)
        .wholeBlocks(keyCache, q.columns / shape.heads);
      check
        .integers(blockTable, queryStarts, lengths)
        .size(queryStarts, lengths.size + 1)
        .rows(lengths.size, blockTable)
        .starts(queryStarts, q.rows)
        .inside(blockTable, keyCache.shape[0])
        .inside(lengths, blockTable.columns * keyCache.shape[1] + 1);
      raw.pagedAttention(out, q, keyCache, valueCache, blockTable, queryStarts, lengths, shape);
    },
  };
}

/** What chooses tokens. */
function samplers(check: Checker, raw: Kernels): Pick<Kernels, 'sample' | 'logProbabilities'> {
  return {
    sample(ids, logits, rows, options = {}) {
      const { seen, times, masks, vocabulary = logits.columns } = options;
      check.op('sample', { ids, logits, seen, times, masks });
      check.float(logits).integers(ids).size(ids, logits.rows).part(vocabulary, logits.columns, 'vocabulary');
      if (seen) check.integers(seen).inside(seen, vocabulary);
      if (times) check.integers(times).size(times, seen?.size ?? 0);
      if (masks) check.integers(masks).columns(masks, Math.ceil(vocabulary / 32));
      const [counted, masked] = [seen && times ? seen.size : 0, masks?.rows ?? 0];
      checkSampleRows(rows, logits.rows, counted, masked);
      raw.sample(ids, logits, rows, options);
    },
    logProbabilities(chosen, logits, ids, options = {}) {
      const { ranks, top, vocabulary = logits.columns } = options;
      check.op('logProbabilities', { chosen, logits, ids, ranks, topIds: top?.ids, topValues: top?.values });
      check
        .float(logits)
        .integers(ids)
        .size(ids, logits.rows)
        .size(chosen, logits.rows)
        .wide(chosen, logits)
        .part(vocabulary, logits.columns, 'vocabulary')
        .inside(ids, vocabulary);
      if (ranks) check.integers(ranks).size(ranks, logits.rows);
      if (top) {
        check.integers(top.ids).rows(logits.rows, top.ids).shape(top.values, top.ids.shape);
        check.wide(top.values, logits).part(top.ids.columns, vocabulary, 'the number of ids asked for');
      }
      raw.logProbabilities(chosen, logits, ids, options);
    },
  };
}

/** Element by element. */
function elements(
  check: Checker,
  raw: Kernels,
): Pick<Kernels, 'swiglu' | 'swigluGrad' | 'add' | 'cast' | 'fill'> {
  return {
    swiglu(y, gate, up) {
      check.op('swiglu', { y, gate, up });
      check.float(y).shape(gate, y.shape).shape(up, y.shape).same(gate, y).same(up, y);
      raw.swiglu(y, gate, up);
    },
    swigluGrad(dgate, dup, dy, gate, up) {
      check.op('swigluGrad', { dgate, dup, dy, gate, up });
      check.float(dy);
      for (const tensor of [dgate, dup, gate, up]) check.shape(tensor, dy.shape).same(tensor, dy);
      raw.swigluGrad(dgate, dup, dy, gate, up);
    },
    add(y, a, b) {
      check.op('add', { y, a, b });
      check.float(y).size(a, y.size).size(b, y.size).same(a, y).same(b, y);
      raw.add(y, a, b);
    },
    cast(y, x) {
      check.op('cast', { y, x });
      check.size(x, y.size);
      if (y.dtype !== x.dtype) check.float(y, x);
      y.integers?.replaced(y.size, x.integers?.of(x.size));
      raw.cast(y, x);
    },
    fill(y, value) {
      check.op('fill', { y });
      y.integers?.replaced(y.size, boundsOf([value]));
      raw.fill(y, value);
    },
  };
}

/** What an optimizer asks for. */
function updates(check: Checker, raw: Kernels): Pick<Kernels, 'sumSquares' | 'adamw'> {
  return {
    sumSquares(out, x) {
      check.op('sumSquares', { out, x });
      check.float(x).size(out, 1).wide(out, x);
      raw.sumSquares(out, x);
    },
    adamw(value, gradient, firstMoment, secondMoment, settings, copy) {
      check.op('adamw', { value, gradient, firstMoment, secondMoment, copy });
      for (const tensor of [gradient, firstMoment, secondMoment])
        check.size(tensor, value.size).wide(tensor, value);
      check.wide(value, value);
      if (copy) check.size(copy, value.size).float(copy);
      raw.adamw(value, gradient, firstMoment, secondMoment, settings, copy);
    },
  };
}
