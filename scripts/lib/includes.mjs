// What a room's C++ includes, and whether the floor plan allows it: headers of rooms below, and
// those of the rooms that are headers only.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { floorOf, headerRooms } from './floors.mjs';
import { filesBelow } from './workspace.mjs';

/** @typedef {import('./workspace.mjs').Room} Room */

/**
 * Every `#include "…"` of a file; those of the system, in angle brackets, are nobody's.
 * @param {string} file
 * @returns {{ line: number, name: string }[]}
 */
export function includesOf(file) {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.flatMap((text, index) => {
    const [, name] = /^\s*#\s*include\s+"([^"]+)"/.exec(text) ?? [];
    return name === undefined ? [] : [{ line: index + 1, name }];
  });
}

/**
 * Where a name leads, as compilers look for it: beside the file, from the room's own folder, then
 * in the other rooms' folders.
 * @param {Room} room @param {string} file @param {string} name @param {readonly Room[]} rooms
 * @returns {{ target: Room, path: string } | undefined}
 */
function resolveInclude(room, file, name, rooms) {
  const beside = join(dirname(file), name);
  if (existsSync(beside)) {
    const target = rooms.find(({ folder }) => beside.startsWith(`${folder}${sep}`));
    return target && { target, path: beside };
  }
  for (const target of [room, ...rooms.filter((other) => other !== room)]) {
    const path = join(target.folder, 'cpp', name);
    if (existsSync(path)) return { target, path };
  }
  return undefined;
}

/**
 * @param {Room} room @param {string} file @param {string} name @param {readonly Room[]} rooms
 * @returns {string | undefined}
 */
function problemOf(room, file, name, rooms) {
  const found = resolveInclude(room, file, name, rooms);
  // Headers that a package brings (node_api.h) come through the compiler's own list of folders.
  if (found === undefined || found.target === room) return undefined;
  const { target, path } = found;
  if (!path.startsWith(join(target.folder, 'cpp')) || name.startsWith('..'))
    return `"${name}" leaves the room. hint: include it as it lies below ${target.path}/cpp`;
  const [own, floor] = [floorOf(room) ?? -1, floorOf(target) ?? Infinity];
  if (floor < own || (floor === own && headerRooms.includes(target.name))) return undefined;
  const where = floor > own ? 'above' : 'beside';
  return `"${name}" of ${target.name} is on floor ${floor}, ${where} ${room.name} on floor ${own}`;
}

/**
 * Everything wrong with the includes of a workspace, a line each.
 * @param {readonly Room[]} rooms
 * @param {{ root: string }} options
 */
export function includeProblems(rooms, { root }) {
  return rooms.flatMap((room) =>
    [...filesBelow(join(room.folder, 'cpp'))]
      .filter((file) => /\.(h|cc)$/.test(file))
      .flatMap((file) =>
        includesOf(file).flatMap(({ line, name }) => {
          const problem = problemOf(room, file, name, rooms);
          const place = relative(root, file).split(sep).join('/');
          return problem === undefined ? [] : [`${place}:${line}: ${problem}`];
        }),
      ),
  );
}
