/** A value, and which of the sources gave it. */
export interface Merged<T> {
  readonly index: number;
  readonly value: T;
}

interface Taken<T> {
  readonly index: number;
  readonly result: IteratorResult<T> | { readonly error: unknown };
}

/**
 * Values of all sources in the order in which they come. Every source is asked for one value at a
 * time, so what nobody takes waits in the source. (Not `Promise.race` in a loop: that leaves a
 * reaction on every silent source for each value of the others, and a source that fails while the
 * reader is busy would be an unhandled rejection.) @throws what the first failing source throws
 */
export async function* merge<T>(sources: readonly AsyncIterator<T>[]): AsyncGenerator<Merged<T>> {
  const taken: Taken<T>[] = [];
  let wake = () => {};
  const arrive = (each: Taken<T>) => {
    taken.push(each);
    wake();
  };
  const ask = (index: number) =>
    void sources[index]?.next().then(
      (result) => arrive({ index, result }),
      (error: unknown) => arrive({ index, result: { error } }),
    );
  sources.forEach((_, index) => ask(index));
  for (let open = sources.length; open > 0;) {
    const next = taken.shift();
    if (!next) await new Promise<void>((resolve) => (wake = resolve));
    else if ('error' in next.result) throw next.result.error;
    else if (next.result.done) open--;
    else {
      ask(next.index);
      yield { index: next.index, value: next.result.value };
    }
  }
}
