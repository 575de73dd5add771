import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isRunning, writerOf } from '@cria/files';
import { readManifest, type Manifest } from './manifest.ts';
import type { SavedTrainingState } from './types.ts';

/** `step-00000123`, or `step-00000123.r2` where the step was saved before. */
const STATE_NAME = /^step-(\d{8,15})(?:\.r(\d+))?$/;
/** What a save or a removal left behind when it was interrupted: such a name, and the ending of a temporary. */
const TEMPORARY_NAME = /^step-\d{8,15}(?:\.r\d+)?\.tmp-/;

/** A folder with the name of a state; whether it is one, its manifest says. */
export interface Candidate {
  readonly folder: string;
  readonly step: number;
  readonly manifest: Manifest | undefined;
  /** Why it is no complete state. */
  readonly damage: unknown;
}

export async function namesIn(root: string): Promise<string[]> {
  try {
    return (await readdir(root)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

export function isStateName(name: string): boolean {
  return STATE_NAME.test(name);
}

/** All folders with the name of a state, newest first; one whose manifest cannot be read counts by its step. */
export async function findCandidates(root: string): Promise<Candidate[]> {
  const found: Candidate[] = [];
  for (const name of await namesIn(root)) {
    const match = STATE_NAME.exec(name);
    if (!match) continue;
    const folder = join(root, name);
    try {
      found.push({
        folder,
        step: Number(match[1]),
        manifest: await readManifest('loadTrainingState', folder),
        damage: undefined,
      });
    } catch (damage) {
      found.push({ folder, step: Number(match[1]), manifest: undefined, damage });
    }
  }
  const whole = found
    .filter(({ manifest }) => manifest)
    .sort((a, b) => (b.manifest?.sequence ?? 0) - (a.manifest?.sequence ?? 0));
  for (const broken of found.filter(({ manifest }) => !manifest)) {
    const place = whole.findIndex(({ step }) => step <= broken.step);
    whole.splice(place < 0 ? whole.length : place, 0, broken);
  }
  return whole;
}

/**
 * Complete states below a root, oldest first. Looks at manifests and file sizes; contents are
 * checked when a state is loaded.
 */
export async function listTrainingStates(root: string): Promise<SavedTrainingState[]> {
  const states: SavedTrainingState[] = [];
  for (const { folder, step, manifest } of (await findCandidates(root)).reverse()) {
    if (manifest) states.push({ step, folder, bytes: totalBytes(manifest) });
  }
  return states;
}

export function totalBytes(manifest: Pick<Manifest, 'files'>): number {
  return Object.values(manifest.files).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The folder a state of this step gets: its plain name, or the next revision of it. */
export function newStateName(step: number, names: readonly string[]): string {
  const plain = `step-${String(step).padStart(8, '0')}`;
  const revisions = names.flatMap((name) => {
    const match = STATE_NAME.exec(name);
    return match && Number(match[1]) === step ? [Number(match[2] ?? 1)] : [];
  });
  return revisions.length === 0 ? plain : `${plain}.r${Math.max(...revisions) + 1}`;
}

/**
 * Leftovers of saves that no longer run: of processes that are gone, of this one, or more than an
 * hour older than `newest`.
 */
export async function staleTemporaries(
  root: string,
  names: readonly string[],
  newest: number,
): Promise<string[]> {
  const stale: string[] = [];
  for (const name of names) {
    const writer = TEMPORARY_NAME.test(name) ? writerOf(name) : undefined;
    if (writer === undefined) continue;
    const folder = join(root, name);
    const { mtimeMs } = await stat(folder);
    if (!isRunning(writer) || writer === process.pid || newest - mtimeMs > 3_600_000) stale.push(folder);
  }
  return stale;
}
