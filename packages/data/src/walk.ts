import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { basename, resolve, sep } from 'node:path';
import { fail } from '@cria/tensor';
import { hashToUnit } from './content-hash.ts';
import { defaultExtensions, extensionOf } from './extensions.ts';
import { globMatcher } from './globs.ts';
import type { SourceOptions } from './options.ts';

export interface FoundFile {
  /** Where to read it. */
  readonly path: string;
  /** Path below the folder that was given, with `/`; the name of a file that was given itself. */
  readonly relative: string;
  readonly bytes: number;
}

/**
 * All files of a source. Real entries are taken before symbolic links, and each real file and
 * folder once, so that packages which pnpm links into many places count once. Sorted by relative
 * path; with `maxBytes`, by a hash of seed and path.
 */
export function findFiles(source: SourceOptions, seed: number): FoundFile[] {
  return walk(source, seed).files;
}

export interface FoundFiles {
  readonly files: FoundFile[];
  /** Entries of folders that could not be looked at. */
  readonly unreadable: readonly string[];
}

/** `findFiles`, and what it had to leave out. */
export function walk(source: SourceOptions, seed: number): FoundFiles {
  const found = new Walk(source);
  for (const path of source.paths) found.addRoot(path);
  found.followLinks();
  const { unreadable } = found;
  const files = found.files.sort((a, b) => compare(a.relative, b.relative) || compare(a.path, b.path));
  if (files.length === 0)
    fail(
      'prepare',
      `source "${source.name}": no files in ${source.paths.join(', ')}.`,
      'check the paths, extensions and globs',
    );
  if (source.maxBytes === undefined) return { files, unreadable };
  const ranks = new Map(files.map((file) => [file, hashToUnit(seed, file.relative)]));
  files.sort(
    (a, b) =>
      (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0) || compare(a.relative, b.relative) || compare(a.path, b.path),
  );
  return { files, unreadable };
}

interface Link {
  readonly path: string;
  readonly relative: string;
  readonly insideModules: boolean;
}

class Walk {
  readonly files: FoundFile[] = [];
  readonly unreadable: string[] = [];
  readonly #source: SourceOptions;
  readonly #extensions: ReadonlySet<string>;
  readonly #included: (path: string) => boolean;
  readonly #excluded: (path: string) => boolean;
  readonly #seen = new Set<string>();
  #links: Link[] = [];

  constructor(source: SourceOptions) {
    this.#source = source;
    this.#extensions = new Set(
      (source.extensions ?? defaultExtensions).map((extension) => extension.replace(/^\./, '').toLowerCase()),
    );
    this.#included = source.include ? globMatcher(source.include) : () => true;
    this.#excluded = globMatcher(source.exclude ?? []);
  }

  addRoot(given: string): void {
    const path = resolve(given);
    const { stat, reason } = look(path);
    if (reason !== undefined)
      fail(
        'prepare',
        `source "${this.#source.name}": cannot look at ${given} (${reason}).`,
        'check its permissions',
      );
    if (!stat) fail('prepare', `source "${this.#source.name}": ${given} does not exist.`, 'check the path');
    if (stat.isDirectory())
      this.#enter(path, '', this.#source.nodeModules ?? path.split(sep).includes('node_modules'));
    else if (stat.isFile()) this.#addFile(path, basename(path), stat);
    else fail('prepare', `source "${this.#source.name}": ${given} is neither a file nor a folder.`);
  }

  /** Links last, and the links that those lead to, until nothing new turns up. A link to nowhere is nothing. */
  followLinks(): void {
    while (this.#links.length > 0) {
      const links = this.#links.sort((a, b) => compare(a.relative, b.relative));
      this.#links = [];
      for (const { path, relative, insideModules } of links) {
        const { stat } = this.#lookAtEntry(path);
        if (stat?.isDirectory()) this.#enter(path, `${relative}/`, insideModules);
        else if (stat?.isFile() && this.#wanted(relative)) this.#addFile(path, relative, stat);
      }
    }
  }

  #enter(folder: string, prefix: string, insideModules: boolean): void {
    const real = this.#seeOnce(folder);
    if (real === undefined) return;
    for (const entry of readFolder(this.#source.name, real)) {
      const { name } = entry;
      const path = `${real}${sep}${name}`;
      const relative = prefix + name;
      if (name.startsWith('.') && !(insideModules && name === '.pnpm')) continue;
      if (name === 'node_modules' && !insideModules) continue;
      if (this.#excluded(relative)) continue;
      if (entry.isSymbolicLink()) this.#links.push({ path, relative, insideModules });
      else if (entry.isDirectory()) this.#enter(path, `${relative}/`, insideModules);
      else if (entry.isFile() && this.#wanted(relative)) {
        const { stat } = this.#lookAtEntry(path);
        if (stat) this.#addFile(path, relative, stat);
      }
    }
  }

  /** One odd entry does not end the reading of a folder: it is left out and counted. */
  #lookAtEntry(path: string): Look {
    const found = look(path);
    if (found.reason !== undefined) this.unreadable.push(path);
    return found;
  }

  /** Where a path really leads; undefined where that was seen before, or leads nowhere by now. */
  #seeOnce(path: string): string | undefined {
    let real: string;
    try {
      real = realpathSync.native(path);
    } catch {
      return void this.unreadable.push(path); // it was there when it was looked at
    }
    if (this.#seen.has(real)) return undefined;
    this.#seen.add(real);
    return real;
  }

  #wanted(relative: string): boolean {
    return this.#extensions.has(extensionOf(relative)) && this.#included(relative);
  }

  #addFile(path: string, relative: string, stat: Stats): void {
    const real = this.#seeOnce(path);
    if (real === undefined) return;
    this.files.push({ path: real, relative, bytes: stat.size });
  }
}

interface Look {
  /** Absent where nothing is there, and where nothing can be seen. */
  readonly stat?: Stats;
  /** Why nothing can be seen. */
  readonly reason?: string;
}

/** Errors that mean that nothing is there: no entry, a link to itself, a link through a file. */
const NOTHING = ['ENOENT', 'ELOOP', 'ENOTDIR'];

function look(path: string): Look {
  try {
    return { stat: statSync(path) };
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    return NOTHING.includes(code) ? {} : { reason: code };
  }
}

function readFolder(source: string, path: string) {
  try {
    return readdirSync(path, { withFileTypes: true }).sort((a, b) => compare(a.name, b.name));
  } catch (error) {
    return fail(
      'prepare',
      `source "${source}": cannot read ${path} (${(error as NodeJS.ErrnoException).code}).`,
      'check its permissions',
      error,
    );
  }
}

/** By code units: the same on every machine. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
