import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** All vectors lie beside some checkouts, the small ones in this one (vectors/README.md). */
const places = [new URL('../../../shared/fixtures/', import.meta.url), new URL('vectors/', import.meta.url)];

/** The folder of vectors for the tests of this checkout; it ends in a slash. */
export const vectors: URL = places.find((place) => existsSync(place))!;

/** Whether a file or folder of vectors is there. */
export const hasVectors = (path: string): boolean => existsSync(new URL(path, vectors));

// oxlint-disable-next-line typescript/no-explicit-any -- the shapes of these files are stated in their README
export function readVectorJson(path: string): any {
  return JSON.parse(readFileSync(new URL(path, vectors), 'utf8'));
}

/**
 * Names of the cases in a folder of vectors, whatever they are: of folders, or of files without
 * their ending, that have `file` (in it, or as their ending). Tests run over all of them.
 */
export function vectorCases(folder: string, file: string): string[] {
  if (!hasVectors(folder)) return [];
  const names = readdirSync(new URL(`${folder}/`, vectors));
  if (!file.startsWith('.')) return names.filter((name) => hasVectors(`${folder}/${name}/${file}`)).sort();
  return names
    .filter((name) => name.endsWith(file))
    .map((name) => name.slice(0, -file.length))
    .sort();
}
