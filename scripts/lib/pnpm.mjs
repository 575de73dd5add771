// The pinned pnpm, wherever it is to be had.
import { spawnSync } from 'node:child_process';
import { readManifest, root } from './workspace.mjs';

const shell = process.platform === 'win32';

const kept =
  /^npm_config_(registry|(https_?|http_?|no_?)?proxy|cafile|ca|userconfig|globalconfig|cache|store_dir)$/i;

/**
 * The environment without what npm adds to a script's: pnpm would read npm's settings as its own. Where to fetch from
 * stays, since it may have been given in the environment alone.
 */
export function plainEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_(config|package|lifecycle)_/i.test(name) || kept.test(name),
    ),
  );
}

/**
 * How to call the pinned pnpm: the one on PATH when it is the same major, else through npx.
 * @returns {{ pinned: string, command: string, prefix: readonly string[] }}
 * @throws when package.json pins none
 */
export function findPnpm() {
  const pinned = readManifest(root)
    .packageManager?.replace(/^pnpm@/, '')
    .split('+')[0];
  if (pinned === undefined) {
    throw new Error(
      '[pnpm] package.json names no packageManager. hint: restore "packageManager": "pnpm@<version>"',
    );
  }
  const found = spawnSync('pnpm', ['--version'], {
    encoding: 'utf8',
    shell,
    env: plainEnvironment(),
    cwd: root,
  });
  if (found.status === 0 && found.stdout.split('.')[0] === pinned.split('.')[0]) {
    return { pinned, command: 'pnpm', prefix: [] };
  }
  return { pinned, command: 'npx', prefix: ['--yes', '--prefer-offline', `pnpm@${pinned}`] };
}

/** Where npm fetches from, for messages. */
export function registry() {
  const { stdout } = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', shell });
  return stdout?.trim() || '(unknown)';
}
