/** A file of this package, by its path there: sources and built code both lie one folder below its root. */
export function ownFile(path: string): URL {
  return new URL(`../${path}`, import.meta.url);
}
