import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertCheckpoint, openCheckpoint, saveHuggingFace } from '@cria/checkpoint';
import { expect, it } from 'vitest';
import { spaceOf, temporaryFolder, tiny } from './helpers.ts';
import { bundle } from '../../../scripts/support/bundle.ts';

const NOBODY = 65534;

it.skipIf(process.platform === 'win32')(
  'a folder that may not be written: one clear error for each target, nothing half-written, what was there stays',
  async () => {
    const folder = temporaryFolder();
    const script = await bundle(new URL('convert-child.ts', import.meta.url), folder);
    const space = spaceOf(tiny);
    space.initialize(1);
    const source = join(folder, 'source');
    await saveHuggingFace(source, tiny, space);
    const closed = join(folder, 'closed');
    mkdirSync(closed);
    await convertCheckpoint(await openCheckpoint(source), join(closed, 'model.gguf'), { to: 'gguf' });
    const before = readFileSync(join(closed, 'model.gguf'));
    chmodSync(folder, 0o755);
    chmodSync(closed, 0o555);
    const wishes: [string, string][] = [
      ['gguf', join(closed, 'model.gguf')],
      ['gguf', join(closed, 'other.gguf')],
      ['hf', closed],
      ['hf', join(closed, 'new')],
      ['meta', join(closed, 'new')],
    ];
    // The superuser may write anywhere, so the child becomes another; after its start, for node may lie
    // in a folder of the superuser's.
    const user = process.getuid?.() === 0 ? { CRIA_TEST_USER: String(NOBODY) } : {};
    const said = execFileSync(process.execPath, [script, source, ...wishes.flat()], {
      encoding: 'utf8',
      env: { ...process.env, ...user },
    });
    chmodSync(closed, 0o755);
    const lines = said.trimEnd().split('\n');
    expect(lines).toHaveLength(wishes.length);
    for (const [i, line] of lines.entries()) {
      expect(line, wishes[i]?.join(' ')).toMatch(
        /\[convertCheckpoint\] cannot (write|make) \S*closed\S* \(EACCES\)\. hint: the folder is not writable/,
      );
    }
    expect(readdirSync(closed)).toEqual(['model.gguf']);
    expect(readFileSync(join(closed, 'model.gguf')).equals(before)).toBe(true);
  },
);
