/* The one other library on npm that masks tokens by grammars, as a peer: installed into a folder of its own. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const VERSION = '0.1.27';

interface PeerMatcher {
  acceptToken(id: number): boolean;
  getNextTokenBitmask(): Promise<Int32Array>;
}

/** As much of it as is used here. */
export interface WebXgrammar {
  readonly TokenizerInfo: {
    createTokenizerInfo(
      vocabulary: string[],
      type: string,
      prependSpace: boolean,
      size: number,
      stopIds: number[],
    ): Promise<object>;
  };
  readonly GrammarCompiler: { createGrammarCompiler(info: object, caches: boolean): Promise<PeerCompiler> };
  readonly GrammarMatcher: { createGrammarMatcher(compiled: object): Promise<PeerMatcher> };
}

interface PeerCompiler {
  compileJSONSchema(schema: string, anyWhitespace: boolean): Promise<object>;
}

/** Installs it where it is not. Its file is CommonJS in a package of modules: it loads under another name. */
export function webXgrammar(folder: string): WebXgrammar {
  const file = join(folder, 'node_modules/@mlc-ai/web-xgrammar/lib/index');
  if (!existsSync(`${file}.js`)) {
    mkdirSync(folder, { recursive: true });
    const manifest = { private: true, dependencies: { '@mlc-ai/web-xgrammar': VERSION } };
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest)}\n`);
    const flags = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
    const { status } = spawnSync('npm', flags, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
    if (status !== 0) throw new Error(`[bench] npm install ended with status ${status}.`);
  }
  copyFileSync(`${file}.js`, `${file}.cjs`);
  return createRequire(import.meta.url)(`${file}.cjs`) as WebXgrammar;
}

/** GPT-2's letters for bytes: how that library is given tokens that are no text. */
const letters = Array.from({ length: 256 }, (_, byte) => {
  const printed = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
  return printed ? String.fromCharCode(byte) : '';
});
let next = 256;
for (const [byte, letter] of letters.entries())
  if (letter === '') letters[byte] = String.fromCharCode(next++);

export function byLetters(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => letters[byte]).join('');
}
