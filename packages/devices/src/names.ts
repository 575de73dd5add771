import { fail, nearestName } from '@cria/tensor';
import { registry } from './registry.ts';

export type DeviceName = keyof typeof registry;
/** A device by name, or the fastest that works here. */
export type DeviceChoice = 'auto' | DeviceName;

/** The fastest first. */
export const deviceNames = Object.keys(registry) as readonly DeviceName[]; // the keys of a constant object
export const deviceChoices: readonly DeviceChoice[] = ['auto', ...deviceNames];

/** Text of a user's as a choice; throws with the nearest known name. `what` names the place: `--device`. */
export function deviceChoice(op: string, what: string, text: string): DeviceChoice {
  const choice = deviceChoices.find((known) => known === text);
  if (choice !== undefined) return choice;
  const nearest = nearestName(text, deviceChoices);
  const meant = nearest === undefined ? '' : `did you mean ${nearest}? `;
  return fail(op, `${what} is "${text}".`, `${meant}give ${deviceChoices.join(', ')}`);
}
