import fc from 'fast-check';
import { parseArgs } from 'node:util';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { helpLines, type Options, readOptions } from '../src/index.ts';

const table = {
  model: { takes: 'text', value: 'PATH', help: 'what to serve', required: 'give a model' },
  port: { takes: 'whole', from: 0, to: 65535, help: 'port to listen on', default: 8080 },
  heat: { takes: 'number', from: 0, help: 'how wild', otherwise: 'tame' },
  cache: { takes: ['f32', 'bf16'], help: 'kept so', default: 'bf16' },
  data: { takes: 'text', multiple: true, value: 'PATH', help: 'texts' },
  quiet: { takes: 'nothing', help: 'say nothing' },
} as const satisfies Options;

function read(...args: string[]) {
  const found = readOptions('prog', args, table);
  if (found === 'help') throw new Error('help was asked for');
  return found;
}

describe('readOptions', () => {
  it('gives each value by its type, and defaults', () => {
    const { values, words } = read('a', '--model', 'm', '--port=0', '--heat', '1e-3', '--quiet', 'b');
    expect(values).toEqual({ model: 'm', port: 0, heat: 0.001, cache: 'bf16', quiet: true });
    expect(words).toEqual(['a', 'b']);
    expectTypeOf(values.port).toEqualTypeOf<number>();
    expectTypeOf(values.cache).toEqualTypeOf<'f32' | 'bf16'>();
    expectTypeOf(values.heat).toEqualTypeOf<number | undefined>();
    expectTypeOf(values.data).toEqualTypeOf<string[] | undefined>();
  });

  it('keeps all values of a repeatable option, and the last of another', () => {
    const { values } = read('--data', 'x', '--model', 'a', '--data=y', '--model', 'b');
    expect(values).toMatchObject({ model: 'b', data: ['x', 'y'] });
  });

  it.each([
    [['--modle', 'x'], '[prog] unknown flag --modle. hint: did you mean --model?'],
    [['--xyzzy'], '[prog] unknown flag --xyzzy. hint: prog --help lists all flags'],
    [['--constructor'], '[prog] unknown flag --constructor. hint: prog --help lists all flags'],
    [['-x'], '[prog] unknown flag -x.'],
    [[], '[prog] --model is missing. hint: give a model'],
    [['--model'], '[prog] --model needs a value. hint: write --model PATH'],
    [['--model', '--port', '1'], '[prog] --model needs a value.'],
    [['--port', '65536'], '[prog] --port is "65536". hint: give a whole number from 0 to 65535'],
    [['--port', '1.5'], '[prog] --port is "1.5".'],
    [['--port', ''], '[prog] --port is "".'],
    [['--port', '-1'], '[prog] --port is "-1".'],
    [['--heat', 'hot'], '[prog] --heat is "hot". hint: give a number from 0'],
    [['--heat', 'Infinity'], '[prog] --heat is "Infinity". hint: give a number from 0'],
    [['--cache', 'bf61'], '[prog] --cache is "bf61". hint: did you mean bf16? give f32, bf16'],
    [['--cache', 'BF16'], '[prog] --cache is "BF16". hint: did you mean bf16? give f32, bf16'],
    [['--quiet=yes'], '[prog] --quiet takes no value, but was given "yes".'],
  ])('refuses %j', (args, message) => {
    expect(() => read(...args)).toThrow(message);
  });

  it('takes an empty text, and one that begins with dashes where it is joined', () => {
    expect(read('--model', '').values.model).toBe('');
    expect(read('--model=--port').values.model).toBe('--port');
  });

  it('says the largest whole number that is exact', () => {
    const seed = { seed: { takes: 'whole', from: 0, help: '' } } as const;
    expect(() => readOptions('prog', ['--seed', '1e16'], seed)).toThrow(
      'give a whole number from 0 to 9007199254740991',
    );
  });

  it('can refuse words', () => {
    const refuse = (word: string): never => {
      throw new Error(`no ${word}`);
    };
    expect(() => readOptions('prog', ['m'], table, refuse)).toThrow('no m');
    expect(readOptions('prog', ['--model', 'm'], table, refuse)).toMatchObject({ words: [] });
  });

  it('help wins over what is missing', () => {
    for (const flag of ['--help', '-h']) expect(readOptions('prog', [flag, '--quiet'], table)).toBe('help');
  });

  it('reads what parseArgs of Node reads, for lines that both take', () => {
    const texts: Options = { a: { takes: 'text', help: '' }, b: { takes: 'nothing', help: '' } };
    const word = fc.stringMatching(/^[a-z ]{1,5}$/);
    const piece = fc.oneof(
      word.map((value) => ['--a', value]),
      word.map((value) => [`--a=${value}`]),
      fc.constant(['--b']),
      word.map((value) => [value]),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const args = pieces.flat();
        const options = { a: { type: 'string' }, b: { type: 'boolean' } } as const;
        const expected = parseArgs({ args, options, allowPositionals: true });
        const found = readOptions('prog', args, texts);
        expect(found).toEqual({ values: { ...expected.values }, words: expected.positionals });
      }),
    );
  });
});

it('the help names every option, what it takes and what holds without it', () => {
  expect(helpLines(table)).toBe(`  --model PATH  what to serve (required)
  --port N      port to listen on (8080)
  --heat N      how wild (tame)
  --cache NAME  f32, bf16: kept so (bf16)
  --data PATH   texts (repeatable)
  --quiet       say nothing
  --help        this text
`);
});
