/**
 * Ten million characters of English and of code, gathered from what lies on this machine, each file
 * once.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const SIZE = 10_000_000;

export function gatherTexts(
  shared: string,
  root: string,
): { readonly english: string; readonly code: string } {
  return {
    english: gather(
      [join(shared, 'text'), '/usr/share/vim', '/usr/share/doc', join(root, 'node_modules')],
      /^(?!wagahai).*\.(txt|md|rst|markdown|README|ENG)$/i,
    ),
    code: gather([join(root, 'node_modules/.pnpm')], /\.(?:[cm]?js|ts|tsx|py)$/),
  };
}

/** Up to SIZE characters of files under `folders` whose names match. */
function gather(folders: readonly string[], pattern: RegExp): string {
  let text = '';
  const seen = new Set<string>();
  const visit = (folder: string): void => {
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (text.length >= SIZE) return;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile() && pattern.test(entry.name)) {
        const content = readFileSync(path, 'utf8');
        // U+2585 is sentencepiece's own sign; minified files are no text that anybody writes
        if (content.length > 400_000 || /[\ufffd\u2585]/.test(content) || seen.has(content)) continue;
        if (/\.min\.|sourceMappingURL=data/.test(path + content.slice(-200))) continue;
        seen.add(content);
        text += content.replaceAll('\r', '');
      }
    }
  };
  for (const folder of folders) if (existsSync(folder)) visit(folder);
  return text.slice(0, SIZE).replace(/[\ud800-\udbff]$/, '');
}

/** Documents of 4 kB; pairs that a cut splits are left out. */
export function documents(text: string): string[] {
  return Array.from({ length: Math.ceil(text.length / 4096) }, (_, i) =>
    text.slice(4096 * i, 4096 * (i + 1)).replace(/[\ud800-\udfff]/gu, ''),
  );
}
