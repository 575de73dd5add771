// What the arguments of commands.mjs are made of.

/**
 * @typedef {object} Field
 * @property {'tensor' | 'integer' | 'flag' | 'scalar' | 'wide' | 'numbers'} kind scalar: float, wide: double, numbers:
 *   as many as there are, at the end
 * @property {boolean} [writes]
 * @property {boolean} [optional] a tensor that may be left out
 * @property {string} [type] of a tensor: T, f32, f64, i32, u8, i8, raw, or the field that holds the code of its dtype
 * @property {string} [size] elements (bytes of raw, u8 and i8), over the integers of the command
 *   and cpp/driver/shapes.h
 * @property {string} [random] what a random call gives: an expression over other fields and what cpp/driver has; of a
 *   tensor of i32 the upper bound of its indices
 * @property {string} [made] the whole storage of a tensor, where its type and size do not say it
 */

/** @param {string} type @param {string} [size] @param {string} [random] upper bound of indices @returns {Field} */
export const reads = (type, size, random) => ({
  kind: 'tensor',
  type,
  ...(size && { size }),
  ...(random && { random }),
});
/** @param {string} type @param {string} [size] @returns {Field} */
export const writes = (type, size) => ({ ...reads(type, size), writes: true });
/** @param {Field} field @returns {Field} */
export const optional = (field) => ({ ...field, optional: true });
/** @param {Field} field @param {string} storage how a random call makes it @returns {Field} */
export const made = (field, storage) => ({ ...field, made: storage });
/** @param {string} [random] @returns {Field} */
export const integer = (random = 'extent()') => ({ kind: 'integer', random });
/** Enough now and then for several chunks. */
export const elements = () => integer('extent() * extent()');
/** One of so many codes. @param {number} count */
export const code = (count) => integer(`below(${count})`);
/** @returns {Field} */
export const flag = () => ({ kind: 'flag', random: 'below(2)' });
/** @param {number} example @returns {Field} */
export const scalar = (example) => ({ kind: 'scalar', random: String(example) });
/** @param {number} example @returns {Field} */
export const wide = (example) => ({ kind: 'wide', random: String(example) });

/** Codes of `Dtype`: f32, bf16, f16. */
export const dtype = () => code(3);
/** Of the dtypes that activations have: f32, bf16. */
export const activation = () => code(2);
/** A width in blocks of 256 weights, as quantised rows have it. */
export const blockWidth = () => integer('256 * (1 + below(3))');

/** T tokens in S segments or sequences, heads of queries, of keys, their width; a window of 0 is none. */
export const attentionShape = {
  T: integer('1 + below(300)'),
  S: integer('1 + below(12)'),
  H: integer('K * (1 + below(3))'),
  K: integer('1 + below(3)'),
  E: integer('1 + below(70)'),
  scale: scalar(0.3),
  window: integer('below(2) ? 0 : 1 + below(200)'),
};
