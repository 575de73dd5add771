// What figures of style are allowed, and how a list of older exceptions shrinks.
import { mostColumns, mostFileLines, mostFunctionLines, usualColumns } from './style.mjs';

/** @typedef {import('./style.mjs').Figures} Figures */

/**
 * @typedef {object} FileLimits  of a file that was there before the rule
 * @property {number} [over120]
 * @property {number} [lines]
 * @property {Record<string, number>} [functions]  lines by name
 */

/**
 * @typedef {object} RoomLimits  in percent
 * @property {number} over100   most lines over 100 columns, of all lines
 * @property {number} comments  least full lines of comment, of the lines of sources that are not blank
 */

/**
 * @typedef {object} Limits
 * @property {string[]} generated  files that a program writes: none of this is checked
 * @property {Record<string, RoomLimits>} rooms
 * @property {Record<string, FileLimits>} files
 */

/** Comments that a reader misses are gone below this; a room that reaches it is free to stay there. */
export const wantedComments = 12;

/** The room of a file: `packages/tensor`, or the first folder. @param {string} path */
export function roomOf(path) {
  return (
    /^(?:packages|apps)\/[^/]+/.exec(path)?.[0] ??
    (path.includes('/') ? path.slice(0, path.indexOf('/')) : '.')
  );
}

/** Sources, without tests, benchmarks and scripts: what the comment share is of. @param {string} path */
function isSource(path) {
  return /\/(src|cpp)\/(?!test\/)/.test(path);
}

/**
 * Figures of each room, in percent.
 * @param {ReadonlyMap<string, Figures>} figures @returns {Map<string, RoomLimits>}
 */
export function roomFigures(figures) {
  /** @type {Map<string, { lines: number, over100: number, filled: number, comments: number }>} */
  const sums = new Map();
  for (const [path, file] of figures) {
    const room = roomOf(path);
    const sum = sums.get(room) ?? { lines: 0, over100: 0, filled: 0, comments: 0 };
    sum.lines += file.lines;
    sum.over100 += file.over100;
    if (isSource(path)) {
      sum.filled += file.filled;
      sum.comments += file.comments;
    }
    sums.set(room, sum);
  }
  return new Map(
    [...sums].map(([room, { lines, over100, filled, comments }]) => [
      room,
      { over100: (100 * over100) / lines, comments: filled === 0 ? Infinity : (100 * comments) / filled },
    ]),
  );
}

/**
 * What is wrong, a line each.
 * @param {ReadonlyMap<string, Figures>} figures @param {Limits} limits @returns {string[]}
 */
export function checkStyle(figures, limits) {
  /** @type {string[]} */
  const problems = [];
  for (const [path, { lines, over120, functions }] of figures) {
    const allowed = limits.files[path] ?? {};
    if (over120.length > (allowed.over120 ?? 0)) {
      const before = allowed.over120 === undefined ? '' : ` where there were ${allowed.over120}`;
      problems.push(
        `${path}: ${over120.length} lines over ${mostColumns} columns${before}: ${over120.slice(0, 8).join(', ')}`,
      );
    }
    if (lines > (allowed.lines ?? mostFileLines))
      problems.push(`${path}: ${lines} lines, at most ${allowed.lines ?? mostFileLines}`);
    for (const { name, line, lines: length } of functions) {
      const most = allowed.functions?.[name] ?? mostFunctionLines;
      if (length > most) problems.push(`${path}:${line}: ${name} has ${length} lines, at most ${most}`);
    }
  }
  for (const [room, { over100, comments }] of roomFigures(figures)) {
    const allowed = limits.rooms[room] ?? { over100: 2, comments: wantedComments };
    if (over100 > allowed.over100)
      problems.push(
        `${room}: ${over100.toFixed(2)} % of lines over ${usualColumns} columns, at most ${allowed.over100} %`,
      );
    if (comments < Math.min(allowed.comments, wantedComments))
      problems.push(
        `${room}: ${comments.toFixed(1)} % of source lines are comments, at least ${allowed.comments} %`,
      );
  }
  return problems;
}

/** Wide lines are kept in whole points and comments with one digit, so that an edit of a line changes no limit. */
const up = (/** @type {number} */ share) => Math.ceil(share - 1e-9);
const down = (/** @type {number} */ share) => Math.floor(share * 10 + 1e-9) / 10;

/**
 * The limits with what became better: exceptions that are gone are dropped, no limit becomes laxer.
 * @param {ReadonlyMap<string, Figures>} figures @param {Limits} limits @returns {Limits}
 */
export function lowered(figures, limits) {
  /** @type {Record<string, FileLimits>} */
  const files = {};
  for (const [path, allowed] of Object.entries(limits.files)) {
    const now = figures.get(path);
    if (!now) continue;
    const functions = now.functions.flatMap(({ name, lines }) => {
      const most = allowed.functions?.[name];
      return most === undefined ? [] : [[name, Math.min(most, lines)]];
    });
    const over120 = Math.min(allowed.over120 ?? 0, now.over120.length);
    const lines =
      allowed.lines !== undefined && now.lines > mostFileLines ? Math.min(allowed.lines, now.lines) : 0;
    const kept = {
      ...(over120 > 0 && { over120 }),
      ...(lines > 0 && { lines }),
      ...(functions.length > 0 && { functions: Object.fromEntries(functions) }),
    };
    if (Object.keys(kept).length > 0) files[path] = kept;
  }
  /** @type {Record<string, RoomLimits>} */
  const rooms = {};
  for (const [room, { over100, comments }] of [...roomFigures(figures)].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    const before = limits.rooms[room] ?? { over100: 2, comments: wantedComments };
    rooms[room] = {
      over100: Math.min(before.over100, up(over100)),
      comments: Math.max(before.comments, Math.min(wantedComments, down(comments))),
    };
  }
  return { generated: limits.generated, rooms, files };
}

/**
 * A line a room, and what all files have together.
 * @param {ReadonlyMap<string, Figures>} figures @param {Limits} limits @returns {string[]}
 */
export function report(figures, limits) {
  const shares = roomFigures(figures);
  const rows = [...shares].map(([room, { over100, comments }]) => {
    const share = Number.isFinite(comments)
      ? `${comments.toFixed(1).padStart(5)} % comments`
      : ' '.repeat(16);
    return `  ${room.padEnd(24)} ${share}  ${over100.toFixed(1).padStart(5)} % over ${usualColumns} columns`;
  });
  const all = [...figures.values()];
  const lines = all.reduce((sum, file) => sum + file.lines, 0);
  const wide = all.reduce((sum, file) => sum + file.over100, 0);
  const exceptions = Object.keys(limits.files).length;
  return [
    ...rows,
    `${all.length} files, ${lines} lines, ${((100 * wide) / lines).toFixed(1)} % over ${usualColumns} ` +
      `columns, ${exceptions} files with exceptions`,
  ];
}
