import { Output } from '@cria/inference';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { merge } from '../src/merge.ts';

const usage = { promptTokens: 1, completionTokens: 1, cachedTokens: 0 };
const push = (output: Output, text: string, last = false) =>
  output.push({ text, ids: [1], usage, ...(last && { finishReason: 'stop' }) });
const soon = () => new Promise((resolve) => setTimeout(resolve));

describe('merge', () => {
  const unhandled = vi.fn<(reason: unknown) => void>();
  beforeEach(() => void process.on('unhandledRejection', unhandled.mockClear()));
  afterEach(() => void process.off('unhandledRejection', unhandled));

  it('gives every value with its source, in the order in which they come', async () => {
    const outputs = [new Output(), new Output()];
    const merged = merge(outputs);
    const next = async () => (await merged.next()).value as { index: number; value: { text: string } };
    const first = next();
    push(outputs[1]!, 'a');
    expect(await first).toMatchObject({ index: 1, value: { text: 'a' } });
    push(outputs[0]!, 'b', true);
    expect(await next()).toMatchObject({ index: 0, value: { text: 'b' } });
    push(outputs[1]!, 'c', true);
    expect(await next()).toMatchObject({ index: 1, value: { text: 'c' } });
    expect(await merged.next()).toEqual({ done: true, value: undefined });
    expect(await merge([]).next()).toEqual({ done: true, value: undefined });
  });

  it('holds one value of each source while nobody reads, the rest stays there as one', async () => {
    const output = new Output();
    const merged = merge([output]);
    const first = merged.next();
    for (const text of ['a', 'b', 'c', 'd', 'e']) {
      push(output, text, text === 'e');
      await soon();
    }
    const texts = [(await first).value?.value.text];
    for await (const { value } of merged) texts.push(value.text);
    expect(texts).toEqual(['a', 'b', 'cde']);
  });

  it('hands on what a source throws, though the reader is busy with another when it does', async () => {
    const outputs = [new Output(), new Output()];
    const merged = merge(outputs);
    const first = merged.next();
    push(outputs[0]!, 'a');
    expect((await first).value).toMatchObject({ index: 0 });
    for (const output of outputs) output.fail(new Error('lost'));
    await soon();
    await expect(merged.next()).rejects.toThrow('lost');
    await soon();
    expect(unhandled).not.toHaveBeenCalled();
  });
});
