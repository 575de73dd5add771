import type { Option } from '@cria/cli';
import { ConfigSchema } from './schema.ts';

/** As much of a setting's schema as an option of the command line follows from. */
interface Setting {
  readonly type?: string;
  readonly anyOf?: readonly { readonly const?: unknown }[];
  readonly description?: string;
  readonly default?: string | number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, Setting>>;
}

/** An option that is short for a setting: what it takes, its bounds, default and help are the setting's. */
export function settingOption(key: string, value?: string): Option {
  let node: Setting = ConfigSchema as Setting;
  for (const part of key.split('.')) {
    const child = node.properties?.[part];
    if (!child) throw new Error(`the configuration has no ${key}`); // a fault of the table below
    node = child;
  }
  const { description = '', default: standard, minimum: from, maximum: to } = node;
  return {
    takes: takesOf(node),
    help: description,
    ...(value !== undefined && { value }),
    // The configuration fills defaults in, since a file may say otherwise.
    ...(standard !== undefined && { otherwise: String(standard) }),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
  };
}

function takesOf({ type, anyOf }: Setting): Option['takes'] {
  if (anyOf) return anyOf.map((each) => String(each.const));
  if (type === 'integer') return 'whole';
  return type === 'number' ? 'number' : 'text';
}
