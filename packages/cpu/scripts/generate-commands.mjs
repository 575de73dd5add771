// Writes what follows from commands.mjs: the TypeScript that encodes commands, the C++ that reads
// them, and random calls for the sanitizers.
//   node scripts/generate-commands.mjs
//     → src/generated/commands.ts, cpp/generated/commands.h, cpp/generated/fuzz.h
//   node scripts/generate-commands.mjs --check    says whether they are what the table says
// The files are committed: the workspace runs from sources, with no step between an edit and a run,
// and a reader sees them.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commands } from '../commands.mjs';

/** @typedef {import('../commands.mjs').Field} Field */

const root = fileURLToPath(new URL('..', import.meta.url));
const NOTICE = '// Written by scripts/generate-commands.mjs from commands.mjs: edit that, then run it.';
const names = Object.keys(commands);
const pascal = (/** @type {string} */ name) => name.charAt(0).toUpperCase() + name.slice(1);
const fieldsOf = (/** @type {string} */ name) => Object.entries(commands[name]?.fields ?? {});
const numbersOf = (/** @type {Field} */ { kind }) => (kind === 'tensor' ? 2 : kind === 'numbers' ? 0 : 1);
const lengthOf = (/** @type {string} */ name) =>
  fieldsOf(name).reduce((sum, [, field]) => sum + numbersOf(field), 2);

/** Fingerprint of codes and layout, which both sides carry: what reads a list and what writes it agree. */
export function layout() {
  const said = names.map((name) => [
    name,
    fieldsOf(name).map(([field, { kind, type }]) => [field, kind, type]),
  ]);
  return createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 16);
}

/** The argument's type in TypeScript. @param {Field} field */
function typeOf({ kind, optional }) {
  if (kind === 'tensor') return optional ? 'Place | undefined' : 'Place';
  if (kind === 'numbers') return 'readonly number[]';
  return kind === 'flag' ? 'boolean' : 'number';
}

/** @param {string} name */
function argumentsInterface(name) {
  const fields = fieldsOf(name).map(([field, of]) => `  readonly ${field}: ${typeOf(of)};`);
  return [`export interface ${pascal(name)}Arguments {`, ...fields, '}'].join('\n');
}

/** @param {string} name @param {number} code */
function encoder(name, code) {
  let at = 0;
  const lines = fieldsOf(name).flatMap(([field, { kind, optional }]) => {
    const place = at === 0 ? 'numbers[at]' : `numbers[at + ${at}]`;
    const value = `given.${field}`;
    if (kind === 'numbers') return [`  numbers.set(${value}, at + ${at});`];
    at += kind === 'tensor' ? 2 : 1;
    if (kind === 'flag') return [`  ${place} = ${value} ? 1 : 0;`];
    if (kind !== 'tensor') return [`  ${place} = ${value};`];
    const offset = `numbers[at + ${at - 1}]`;
    return optional
      ? [`  ${place} = ${value}?.storage ?? 0;`, `  ${offset} = ${value}?.offset ?? 0;`]
      : [`  ${place} = ${value}.storage;`, `  ${offset} = ${value}.offset;`];
  });
  const last = fieldsOf(name).find(([, { kind }]) => kind === 'numbers');
  const length = `${lengthOf(name)}${last ? ` + given.${last[0]}.length` : ''}`;
  const number = code === 0 ? 'OPERATIONS * dtype' : `${code} + OPERATIONS * dtype`;
  return [
    `export function ${name}(list: CommandSink, given: ${pascal(name)}Arguments, dtype = 0): void {`,
    `  const at = list.open(${number}, ${length});`,
    '  const { numbers } = list;',
    ...lines,
    '}',
  ].join('\n');
}

/** Where the numbers of a command lie, counted from its first. @param {string} name */
function positions(name) {
  let at = 2;
  const entries = fieldsOf(name).map(([field, of]) => {
    const entry = `${field}: ${at}`;
    at += numbersOf(of);
    return entry;
  });
  return `  ${name}: { ${entries.join(', ')} },`;
}

function typescript() {
  return `${NOTICE}

/** A place in memory: a tensor's, or one of the device's own. */
export interface Place {
  readonly storage: number;
  readonly offset: number;
}

/** What takes commands: \`open\` makes room for one, with its code and length, and says where its arguments begin. */
export interface CommandSink {
  readonly numbers: Float64Array;
  open(code: number, length: number): number;
}

/** Fingerprint of codes and arguments; kernels that read another layout carry another one. */
export const LAYOUT = '${layout()}';

/** Operations, in the order of their codes. */
export const operations = [${names.map((name) => `'${name}'`).join(', ')}] as const;
export type Operation = (typeof operations)[number];
export const OPERATIONS = ${names.length};
/** Codes of operations in f32; those of other dtypes are OPERATIONS apart. */
export const codes = { ${names.map((name, code) => `${name}: ${code}`).join(', ')} } as const;

/** Where an argument lies in its command, counted from the command's first number. */
export const positionOf = {
${names.map(positions).join('\n')}
} as const;

${names.map((name, code) => `${argumentsInterface(name)}\n\n${encoder(name, code)}`).join('\n\n')}
`;
}

const plain = { f32: 'float', f64: 'double', i32: 'int32_t', u8: 'uint8_t', i8: 'int8_t', T: 'T' };

/** @param {Field} field @returns {string} what a pointer points to; bytes and dtypes known at run time stay untyped */
const pointee = ({ type = 'raw' }) => plain[/** @type {keyof typeof plain} */ (type)] ?? 'void';

/** @param {string} field @param {Field} of @returns {[declaration: string, reading: string]} */
function member(field, of) {
  if (of.kind === 'tensor') {
    const type = `${of.writes ? '' : 'const '}${pointee(of)}`;
    // Untyped ones are read as bytes, for void has no size.
    const read = type.replace('void', 'char');
    return [`${type}* ${field};`, `${field}(in.tensor<${read}>())`];
  }
  if (of.kind === 'numbers') return [`const double* ${field};`, `${field}(in.rest())`];
  if (of.kind === 'flag') return [`bool ${field};`, `${field}(in.integer() != 0)`];
  if (of.kind === 'scalar') return [`float ${field};`, `${field}(in.scalar())`];
  return of.kind === 'wide'
    ? [`double ${field};`, `${field}(in.wide())`]
    : [`int64_t ${field};`, `${field}(in.integer())`];
}

/** @param {string} name */
function struct(name) {
  const fields = fieldsOf(name).map(([field, of]) => member(field, of));
  const template = fieldsOf(name).some(([, { type }]) => type === 'T') ? ['template <class T>'] : [];
  const readings = fields.map(([, reading]) => `        ${reading}`).join(',\n');
  return [
    ...template,
    `struct ${pascal(name)}Arguments {`,
    ...fields.map(([declaration]) => `  ${declaration}`),
    '',
    `  explicit ${pascal(name)}Arguments(Arguments& in)`,
    `      : ${readings.trimStart()} {}`,
    '};',
  ].join('\n');
}

/** Commands that the pool itself runs have no struct. */
const ofKernels = names.filter((name) => !['free', 'together', 'call'].includes(name));

function operationsHeader() {
  const list = names.map((name) => `  X(${name})`);
  return `${NOTICE}
// The operations in the order of their codes, and the fingerprint of their arguments, which
// JavaScript compares with its own.
#pragma once

#define CRIA_LAYOUT "${layout()}"

#define CRIA_OPERATIONS(X) \\
${list.join(' \\\n')}
`;
}

function argumentsHeader() {
  return `${NOTICE}
// The arguments of every command, read in the order in which src/generated/commands.ts writes them.
// A kernel derives from its own.
#pragma once
#include "kernels/arguments.h"

namespace cria::CRIA_ISA {

${ofKernels.map(struct).join('\n\n')}

}  // namespace cria::CRIA_ISA
`;
}

/** A factor of a product. @param {string} size */
const times = (size) => (/[+\-/?]/.test(size) ? `(${size})` : size);

/** Memory for a random call. @param {Field} field @param {ReadonlySet<string>} integers */
function randomPlace({ type = 'raw', size = '0', writes, optional, random, made: whole }, integers) {
  if (whole !== undefined) return whole;
  const elements = `${times(size)} * bytesOf(${type === 'T' ? 'dtype' : type})`;
  let made = `list.bits(${size})`;
  if (type === 'f32') made = `list.floats(${size})`;
  else if (type === 'f64') made = `list.own(${times(size)} * 8)`;
  else if (type === 'i32') made = `list.integers(${size}, 0, ${random ?? '1'})`;
  else if (type === 'T' || integers.has(type)) made = `list.${writes ? 'own' : 'bits'}(${elements})`;
  return optional ? `below(2) ? ${made} : 0` : made;
}

/**
 * Draws in an order in which each is behind those that it names.
 * @param {string} name
 * @param {readonly [string, Field][]} fields
 * @returns {readonly [string, Field][]}
 * @throws where two name each other
 */
function ordered(name, fields) {
  const left = new Map(fields);
  const done = [];
  while (left.size > 0) {
    const next = [...left].find(([, { random = '' }]) =>
      [...random.matchAll(/[A-Za-z]\w*/g)].every(([word]) => !left.has(word)),
    );
    if (next === undefined)
      throw new Error(`[generate-commands] ${name}: ${[...left.keys()].join(', ')} name each other`);
    done.push(next);
    left.delete(next[0]);
  }
  return done;
}

const functionOf = (/** @type {string} */ name) => `random${pascal(name)}`;
/** Whether a random call of it has a dtype of its own to draw. @param {string} name */
const hasDtype = (name) =>
  commands[name]?.dtype !== undefined || fieldsOf(name).some(([, { type }]) => type === 'T');

/** @param {string} name */
function randomCall(name) {
  const fields = fieldsOf(name);
  const integers = fields.filter(([, { kind }]) => kind === 'integer' || kind === 'flag');
  const known = new Set(integers.map(([field]) => field));
  const draws = ordered(name, integers).map(([field, { random }]) => `  const int64_t ${field} = ${random};`);
  const tensors = fields.filter(([, { kind }]) => kind === 'tensor');
  const places = tensors.map(([field, of]) => `  const int32_t ${field} = ${randomPlace(of, known)};`);
  const parts = fields.map(([field, of]) => {
    if (of.kind === 'tensor') return `  list.place(${field});`;
    return `  list.number(static_cast<double>(${known.has(field) ? field : of.random}));`;
  });
  const text = [...draws, ...places].join('\n');
  const dtype = hasDtype(name) ? [`  const int64_t dtype = ${commands[name]?.dtype ?? 'below(2)'};`] : [];
  return [
    `inline void ${functionOf(name)}(List& list${/\bpanel\b/.test(text) ? ', int64_t panel' : ''}) {`,
    ...dtype,
    ...draws,
    ...places,
    `  list.begin(Op::${name}_${dtype.length > 0 ? ', dtype' : ''});`,
    ...parts,
    '  list.end();',
    '}',
  ].join('\n');
}

function fuzzHeader() {
  const random = names.filter((name) => commands[name]?.random !== false);
  const calls = random.map((name) => [name, randomCall(name)]);
  const cases = calls.map(
    ([name = '', text]) =>
      `    case Op::${name}_: ` +
      `${functionOf(name)}(list${text?.includes('int64_t panel)') ? ', panel' : ''}); return true;`,
  );
  return `${NOTICE}
// Random calls of the commands whose own numbers say what is allowed.
#pragma once
#include "../driver/list.h"
#include "../driver/shapes.h"

${calls.map(([, text]) => text).join('\n\n')}

/** Appends a call of random shape; false for the commands that are made by hand. */
inline bool randomCommand(List& list, Op op, int64_t panel) {
  switch (op) {
${cases.join('\n')}
    default: return false;
  }
}
`;
}

/** Path → text. */
export function generated() {
  return {
    'src/generated/commands.ts': typescript(),
    'cpp/generated/operations.h': operationsHeader(),
    'cpp/generated/arguments.h': argumentsHeader(),
    'cpp/generated/fuzz.h': fuzzHeader(),
  };
}

/** Those that are not what the table says. @returns {string[]} */
export function stale() {
  return Object.entries(generated())
    .filter(
      ([path, text]) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text,
    )
    .map(([path]) => path);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const paths = stale();
  if (process.argv.includes('--check')) {
    for (const path of paths)
      console.error(`[generate-commands] ${path} is not what commands.mjs says. hint: run without --check`);
    process.exitCode = paths.length === 0 ? 0 : 1;
  } else {
    for (const path of paths) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), generated()[/** @type {keyof ReturnType<typeof generated>} */ (path)]);
      console.log(`wrote ${path}`);
    }
  }
}
