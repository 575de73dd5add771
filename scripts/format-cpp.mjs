// Formats the C++ of every room by .clang-format, with the clang-format of npm (one pinned version,
// so that it says the same everywhere).
//   node scripts/format-cpp.mjs            writes
//   node scripts/format-cpp.mjs --check    names the files that are not as it would write them
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { format } from '@wasm-fmt/clang-format';
import { filesBelow, root, rooms } from './lib/workspace.mjs';

const style = readFileSync(join(root, '.clang-format'), 'utf8');
/** As far as a line may go; code ends at the style's limit, comments are wrapped by hand. */
const LONGEST = 120;

/** Written by a script, which formats them in its own way. */
const isGenerated = (/** @type {string} */ path) => path.includes('/generated/');

const files = rooms()
  .flatMap(({ folder }) => [...filesBelow(join(folder, 'cpp'))])
  .filter((path) => /\.(h|cc)$/.test(path) && !isGenerated(path));

/** @param {string} path @param {boolean} check @returns {string[]} what is wrong with it */
function problemsOf(path, check) {
  const text = readFileSync(path, 'utf8');
  const formatted = format(text, path, style);
  const place = relative(root, path);
  if (formatted !== text && !check) writeFileSync(path, formatted);
  const long = formatted
    .split('\n')
    .flatMap((line, index) =>
      [...line].length > LONGEST ? [`${place}:${index + 1} is longer than ${LONGEST}`] : [],
    );
  return [
    ...(check && formatted !== text ? [`${place} is not formatted. hint: npm run format:cpp`] : []),
    ...long,
  ];
}

const problems = files.flatMap((path) => problemsOf(path, process.argv.includes('--check')));
for (const problem of problems) console.error(problem);
console.log(`${files.length} files of C++, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
