// Draws docs/public/floor-plan.svg from what the manifests say today, so that the picture cannot
// drift from the packages. An arrow is a dependency; one that follows from others (training →
// layers → tensor) is left out.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { floorOf } from '../../scripts/lib/floors.mjs';
import { root, rooms } from '../../scripts/lib/workspace.mjs';

const box = { width: 128, height: 40, gapX: 28, gapY: 52, left: 84, top: 24 };
const found = rooms();
const byName = new Map(found.map((room) => [room.manifest.name, room]));
const floorNumbers = [...new Set(found.map((room) => floorOf(room) ?? 0))].sort((a, b) => b - a);

/** @typedef {import('../../scripts/lib/workspace.mjs').Room} Room */

/** Rooms a room depends on. @param {Room} room */
function below(room) {
  return Object.keys(room.manifest.dependencies ?? {}).flatMap((name) => byName.get(name) ?? []);
}

/** Everything below a room, at any distance. @param {Room} room @returns {Set<Room>} */
function allBelow(room) {
  return new Set(below(room).flatMap((next) => [next, ...allBelow(next)]));
}

/** Direct dependencies that no other dependency brings along. @param {Room} room */
function arrowsFrom(room) {
  const direct = below(room);
  return direct.filter((target) => !direct.some((other) => other !== target && allBelow(other).has(target)));
}

/** @param {number} floor */
const onFloor = (floor) => found.filter((room) => floorOf(room) === floor);
const columns = Math.max(...floorNumbers.map((floor) => onFloor(floor).length));
const width = box.left + columns * (box.width + box.gapX);
const height = box.top + floorNumbers.length * (box.height + box.gapY) - box.gapY + 24;

/** Left top corner of a room's box. @param {Room} room */
function place(room) {
  const floor = floorOf(room) ?? 0;
  const peers = onFloor(floor);
  const start = box.left + ((columns - peers.length) * (box.width + box.gapX)) / 2;
  return {
    x: start + peers.indexOf(room) * (box.width + box.gapX),
    y: box.top + floorNumbers.indexOf(floor) * (box.height + box.gapY),
  };
}

/** @param {Room} from @param {Room} to */
function arrow(from, to) {
  const a = place(from);
  const b = place(to);
  const middle = box.width / 2;
  const [x1, y1, x2, y2] = [a.x + middle, a.y + box.height, b.x + middle, b.y - 3];
  const bend = Math.max(20, (y2 - y1) / 2);
  const curve = `M${x1} ${y1} C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
  return `<path class="arrow" d="${curve}" marker-end="url(#head)"/>`;
}

const parts = [
  ...floorNumbers.map(
    (floor, i) =>
      `<text class="floor" x="0" y="${box.top + i * (box.height + box.gapY) + 25}">floor ${floor}</text>`,
  ),
  ...found.flatMap((room) => arrowsFrom(room).map((target) => arrow(room, target))),
  ...found.map((room) => {
    const { x, y } = place(room);
    return (
      `<rect class="${room.kind}" x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="6"/>` +
      `<text class="name" x="${x + box.width / 2}" y="${y + 25}">${room.name}</text>`
    );
  }),
];
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img"
  aria-label="The packages by floor, each with arrows to those it imports">
<style>
  text { font: 15px system-ui, sans-serif; fill: #1f2933; }
  .name { text-anchor: middle; }
  .floor { font-size: 13px; fill: #7b8794; }
  rect { stroke: #52606d; fill: #f5f0e6; }
  rect.apps { fill: #dbe7f3; }
  .arrow { fill: none; stroke: #9aa5b1; stroke-width: 1.4; }
</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 L8 4 L0 8 z" fill="#9aa5b1"/></marker></defs>
${parts.join('\n')}
</svg>
`;
mkdirSync(join(root, 'docs/public'), { recursive: true });
writeFileSync(join(root, 'docs/public/floor-plan.svg'), svg);
