import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { cria, small, temporaryFolder, texts } from './helpers.ts';

const data = texts();

/** One line that names the values and what to do, exit code 1, and nothing left behind at `folder`. */
async function refused(args: string[], message: RegExp, folder?: string): Promise<void> {
  const { code, errors } = await cria(...args);
  expect(errors).toMatch(message);
  expect(errors.trimEnd().split('\n')).toHaveLength(1);
  expect(code).toBe(1);
  if (folder !== undefined) expect(existsSync(join(folder, 'checkpoints'))).toBe(false);
}

describe('command line', () => {
  it('names the nearest verb, flag, key and preset', async () => {
    await refused(['trian'], /no command "trian"\. hint: did you mean "cria train"\?/);
    await refused(['train', '--minuts', '3'], /unknown flag --minuts\. hint: did you mean --minutes\?/);
    await refused(['train', '--set', 'training.batchsize=3'], /did you mean .*batch_size/);
    await refused(['train', '--preset', '15mm', '--data', data], /15mm.*15m/);
    await refused(
      ['train', '--minutes', 'two', '--data', data],
      /--minutes is "two"\. hint: give a number from 0\.01/,
    );
    await refused(['train', '--minutes'], /--minutes needs a value/);
    await refused(
      ['train', '--steps', '5', '--minutes', '1', '--data', data],
      /both --minutes 1 and 5 steps/,
    );
  });

  it('refuses a configuration file with a typo, by line and nearest name', async () => {
    const file = join(temporaryFolder(), 'run.yaml');
    writeFileSync(file, 'training:\n  learning_rat: 0.1\n');
    await refused(
      ['train', '--config', file, '--data', data],
      /learning_rat.*did you mean "?.*learning_rate/,
    );
    writeFileSync(file, 'training: [\n');
    await refused(['train', '--config', file, '--data', data], /run\.yaml/);
    await refused(['train', '--config', join(file, 'absent')], /absent/);
  });
});

describe('texts', () => {
  const attempt = async (paths: string[], message: RegExp) => {
    const folder = join(temporaryFolder(), 'run');
    await refused(
      ['train', ...paths.flatMap((path) => ['--data', path]), ...small, '--steps', '2', '--folder', folder],
      message,
      folder,
    );
  };

  it('must be there', async () => {
    await attempt([join(data, 'absent')], /--data .*absent does not exist\. hint: give a file or a folder/);
    await attempt([], /data\.sources is empty.*--data/);
  });

  it('must be in the folder', async () => {
    const empty = temporaryFolder();
    await attempt([empty], new RegExp(`${empty}|no text|no file`));
  });

  it('must be texts', async () => {
    const binary = temporaryFolder();
    for (let i = 0; i < 4; i++)
      writeFileSync(
        join(binary, `${i}.md`),
        Buffer.from(Array.from({ length: 5000 }, (_, k) => (k * 7 + i) % 256)),
      );
    await attempt([binary], /binary|no text/);
  });

  it('must be enough for a tokenizer and for holding some out', async () => {
    const little = temporaryFolder();
    writeFileSync(join(little, 'a.md'), 'one two three\n');
    await attempt([little], /\[.*\] .*hint/);
  });
});

describe('a run folder', () => {
  let source: string;
  const run = (folder: string, ...more: string[]) =>
    cria(
      'train',
      '--data',
      data,
      ...small,
      '--steps',
      '8',
      '--set',
      'training.save_every=2',
      '--folder',
      folder,
      ...more,
    );
  beforeAll(async () => {
    source = join(temporaryFolder(), 'run');
    const { errors } = await run(source);
    if (errors !== '') throw new Error(errors);
  });
  /** A copy as it was before its last steps. */
  const copy = () => {
    const folder = join(temporaryFolder(), 'run');
    cpSync(source, folder, { recursive: true });
    const state = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as Record<string, unknown>;
    delete state.finished;
    writeFileSync(join(folder, 'run.json'), JSON.stringify(state));
    return folder;
  };
  const weightsOf = (folder: string) => {
    const newest = readdirSync(join(folder, 'checkpoints')).sort().at(-1)!;
    const state = join(folder, 'checkpoints', newest);
    return join(
      state,
      readdirSync(state).find((name) => name.endsWith('.safetensors'))!,
    );
  };

  it('with a flipped bit in the newest weights is refused by name, and not served', async () => {
    const folder = copy();
    const file = weightsOf(folder);
    const bytes = readFileSync(file);
    bytes[bytes.length - 1000]! ^= 4;
    writeFileSync(file, bytes);
    const { code, errors } = await run(folder);
    expect(errors).toContain(file.split('/').at(-1)!);
    expect(errors).toMatch(/hint/);
    expect(code).toBe(1);
    expect(readFileSync(file)).toEqual(bytes);
    await refused(['sample', '--model', folder], /\[.*\] .*hint/);
  });

  it('with cut weights is refused by name', async () => {
    const folder = copy();
    const file = weightsOf(folder);
    truncateSync(file, 1234);
    const { code, errors } = await run(folder);
    expect(errors).toContain(file.split('/').at(-1)!);
    expect(code).toBe(1);
  });

  it('with shards of another tokenizer is refused', async () => {
    const folder = copy();
    const other = join(temporaryFolder(), 'tokenizer.model');
    expect(
      (await cria('tokenizer', 'train', '--data', data, '--vocab-size', '450', '--out', other)).errors,
    ).toBe('');
    cpSync(other, join(folder, 'tokenizer.model'));
    const { code, errors } = await run(folder);
    expect(errors).toMatch(
      /was made by tokenizer [0-9a-f]+, the model has [0-9a-f]+\. hint: prepare the data again/,
    );
    expect(code).toBe(1);
  });

  it('with a damaged run file, or one of a newer version, is refused', async () => {
    const folder = copy();
    writeFileSync(join(folder, 'run.json'), '{"version": 1, "ke');
    expect((await run(folder)).errors).toMatch(/run\.json is damaged.*hint: move the folder away/);
    writeFileSync(join(folder, 'run.json'), '{"version": 9}');
    expect((await run(folder)).errors).toMatch(/version 9; this program knows 1/);
  });

  it('in use by a living process is refused; one that a killed process left locked is not', async () => {
    const folder = copy();
    writeFileSync(join(folder, 'lock'), String(process.ppid));
    expect((await run(folder)).errors).toMatch(new RegExp(`process ${process.ppid} is training in`));
    writeFileSync(join(folder, 'lock'), '999999999');
    expect((await run(folder)).errors).toBe('');
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  it('without a complete state cannot be sampled', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'checkpoints'));
    await refused(['sample', '--model', folder], /holds no complete training state yet/);
    await refused(['sample', '--model', join(folder, 'absent')], /absent/);
    await refused(['sample'], /--model is missing/);
  });
});
