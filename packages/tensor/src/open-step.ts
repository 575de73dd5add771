import { Arena } from './arena.ts';
import type { Device } from './device.ts';
import { Recordings } from './recordings.ts';
import { Step, type Workspace } from './step.ts';
import type { StepOptions } from './step-options.ts';

/** What steps of a device work in, of those that have ended; it goes with the device. */
const idle = new WeakMap<Device, Workspace[]>();

/**
 * A pass through a model: `using step = openStep(device, { rows })`. Its memory comes from an arena
 * that is reset, not freed.
 */
export function openStep(device: Device, options: StepOptions): Step {
  const workspaces = idle.get(device) ?? [];
  idle.set(device, workspaces);
  const workspace = workspaces.pop() ?? { arena: new Arena(device), recordings: new Recordings() };
  const end = () => {
    workspace.arena.reset();
    workspaces.push(workspace);
  };
  try {
    return new Step(device, workspace, options, end);
  } catch (error) {
    end();
    throw error;
  }
}
