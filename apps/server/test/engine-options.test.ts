import { describe, expect, it } from 'vitest';
import {
  engineFlags,
  engineOptionNames,
  engineOptionsOf,
  readEngineFlags,
  resolveEngineLimits,
} from '../src/engine-options.ts';
import { helpText, parseFlags } from '../src/flags.ts';
import { startServer } from '../src/index.ts';
import { tinyThread } from './tiny-server.ts';

const flagOf = [
  'max-sequences',
  'max-waiting',
  'max-waiting-tokens',
  'queue-seconds',
  'max-batch-rows',
  'cache-mib',
  'cache-dtype',
];

describe('the options of the engine', () => {
  it('are flags, options of startServer and options of the engine at once', () => {
    expect(Object.keys(engineFlags)).toEqual(flagOf);
    for (const flag of flagOf) expect(helpText()).toMatch(new RegExp(`--${flag} (N|NAME) `));
    const args = flagOf.flatMap((flag) => [`--${flag}`, flag === 'cache-dtype' ? 'q8_0' : '3']);
    const expected = {
      maxSequences: 3,
      maxWaiting: 3,
      maxWaitingTokens: 3,
      queueSeconds: 3,
      maxBatchRows: 3,
      memory: 3 * 2 ** 20,
      cacheDType: 'q8_0',
    };
    expect(parseFlags(['--model', 'x', ...args])).toEqual({ model: 'x', ...expected });
    expect(Object.keys(expected)).toEqual(engineOptionNames);
    const settings = { ...resolveEngineLimits('test', expected as object), model: 'x', threads: 2 };
    expect(engineOptionsOf(settings)).toEqual(expected);
  });

  it('have defaults, but for what the engine chooses', () => {
    const defaults = { maxSequences: 16, maxWaiting: 256, maxBatchRows: 256, cacheDType: 'bf16' };
    expect(resolveEngineLimits('test', {})).toEqual(defaults);
    expect(readEngineFlags({})).toEqual({});
  });

  it.each([
    [['--max-sequences', '0'], '--max-sequences is "0". hint: give a whole number from 1 to 4096'],
    [['--max-waiting', '1.5'], '--max-waiting is "1.5". hint: give a whole number from 0'],
    [['--cache-mib', '-1'], '--cache-mib is "-1"'],
    [['--cache-mib', '9'.repeat(400)], 'give a whole number from 1 to'],
    [
      ['--cache-dtype', 'q4_0'],
      '--cache-dtype is "q4_0". hint: did you mean q8_0? give f32, bf16, f16, q8_0',
    ],
  ])('%j is refused', (given, message) => {
    expect(() => parseFlags(['--model', 'x', ...given])).toThrow(message);
  });

  it.each<[object, string]>([
    [{ maxSequences: 0 }, 'maxSequences is 0'],
    [{ maxWaiting: 5e-324 }, 'maxWaiting is 5e-324'],
    [{ maxBatchRows: Infinity }, 'maxBatchRows is Infinity'],
    [{ memory: 1e308 }, 'memory is 1e+308'],
    [{ memory: NaN }, 'memory is NaN'],
    [{ cacheDType: 'q4_0' }, 'cacheDType is "q4_0"'],
    [{ drainSeconds: 1e308 }, 'drainSeconds is 1e+308. hint: give a whole number from 0 to 86400'],
    [{ threads: -1 }, 'threads is -1'],
    [{ port: 65536 }, 'port is 65536'],
    [{ maxSequence: 1 }, 'did you mean "maxSequences"'],
  ])('startServer refuses %j before anything is started', async (options, message) => {
    await expect(startServer({ model: 'tiny', thread: tinyThread, ...options })).rejects.toThrow(message);
  });
});
