// Which files a C++ source includes, found without a compiler, and a hash of them all: what an
// object file is made from, wherever the checkout lies.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Names in `#include "a.h"`, `#include <a.h>`, and in a macro that an `#include` may name:
 * `#define CRIA_VEC "vec-avx2.h"`.
 */
const INCLUDE = /^\s*#\s*(?:include|define\s+\w+)\s+["<]([^">\n]+\.h)[">]/gm;

/**
 * A source and all that it includes, each once, in the order in which they are met. Whatever stands
 * under an `#if` counts as included; what lies in none of the folders is the system's.
 * @param {string} source path @param {readonly string[]} folders searched after the including file's own
 * @returns {Map<string, string>} path → text
 */
export function includesOf(source, folders) {
  /** @type {Map<string, string>} */
  const found = new Map();
  const visit = (/** @type {string} */ path) => {
    if (found.has(path)) return;
    const text = readFileSync(path, 'utf8');
    found.set(path, text);
    for (const [, name = ''] of text.matchAll(INCLUDE)) {
      const place = [dirname(path), ...folders].find((folder) => existsSync(join(folder, name)));
      if (place !== undefined) visit(join(place, name));
    }
  };
  visit(source);
  return found;
}

/**
 * Hash of what decides an object's bytes: `settings` (compiler, its version, flags) and the texts, not where they lie.
 * @param {unknown} settings @param {string} source @param {readonly string[]} folders
 */
export function objectKey(settings, source, folders) {
  const hash = createHash('sha256').update(JSON.stringify(settings));
  for (const text of includesOf(source, folders).values()) hash.update(`\0${text.length}\0`).update(text);
  return hash.digest('hex');
}
