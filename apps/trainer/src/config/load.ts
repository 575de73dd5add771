import { readFileSync } from 'node:fs';
import { fail, nearestName } from '@cria/tensor';
import Value from 'typebox/value';
import { isMap, isScalar, LineCounter, parse, parseDocument, stringify } from 'yaml';
import { type Config, ConfigSchema } from './schema.ts';

/** As much of JSON schema as this file walks. */
interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly description?: string;
  readonly default?: unknown;
}

/** A YAML file (or none) and `key=value` settings over it, checked and filled with defaults. */
export function loadConfig(path: string | undefined, settings: readonly string[] = []): Config {
  const written = path === undefined ? {} : readYaml(path);
  // Later ones win, and all of them over the file.
  for (const setting of settings) applySetting(written, setting);
  return checkConfig(written, path ?? '--set');
}

/** Refuses unknown keys, wrong types and values out of range, each with its place; fills defaults. */
export function checkConfig(written: unknown, where: string): Config {
  checkKeys(ConfigSchema as SchemaNode, written, '', where);
  // Defaults first: a section that is left out is then checked like one that is there.
  const filled = Value.Default(ConfigSchema, structuredClone(written)) as unknown;
  const [error] = Value.Errors(ConfigSchema, filled);
  if (error) {
    const key = error.instancePath.slice(1).replaceAll('/', '.');
    const value = key
      .split('.')
      .reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], filled);
    fail(
      'config',
      `${where}: ${key || 'the configuration'} is ${JSON.stringify(value)}, which ${phrase(error)}.`,
      descriptionOf(key),
    );
  }
  return filled as Config;
}

/** The whole configuration as YAML, with what each field does. */
export function printConfig(config: Config): string {
  const lines: string[] = [];
  printSection(ConfigSchema as SchemaNode, config, '', lines);
  return lines.join('\n') + '\n';
}

/** A file of sections. Errors have the line and column of the file. */
function readYaml(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return fail('config', `cannot read ${path}: ${(error as Error).message}.`, undefined, error);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [problem] = document.errors;
  if (problem) {
    const { line, col } = lines.linePos(problem.pos[0]);
    fail('config', `${path}:${line}:${col}: ${problem.message.split('\n')[0]!.replace(/ at line.*$/, '')}.`);
  }
  if (document.contents === null) return {};
  if (!isMap(document.contents))
    fail(
      'config',
      `${path} holds ${isScalar(document.contents) ? 'a single value' : 'a list'}, not sections.`,
    );
  return document.toJS() as Record<string, unknown>;
}

/** `a.b=c` over what is written; the value is YAML, so `[x, y]` is a list and `1e-3` a number. */
function applySetting(config: Record<string, unknown>, setting: string): void {
  const equals = setting.indexOf('=');
  if (equals < 1)
    fail('config', `--set ${setting} has no key and value.`, 'write --set training.learning_rate=3e-4');
  const keys = setting.slice(0, equals).split('.');
  let node = config;
  for (const key of keys.slice(0, -1)) {
    node[key] ??= {};
    if (typeof node[key] !== 'object') fail('config', `--set ${setting}: ${key} is a value, not a section.`);
    node = node[key] as Record<string, unknown>;
  }
  node[keys.at(-1)!] = parse(setting.slice(equals + 1)) as unknown;
}

/**
 * Refuses unknown keys before any value is looked at: a misspelt key explains the values better
 * than they do.
 */
function checkKeys(schema: SchemaNode, value: unknown, path: string, where: string): void {
  if (Array.isArray(value) && schema.items)
    value.forEach((item, i) => checkKeys(schema.items!, item, `${path}${i}.`, where));
  if (!schema.properties || typeof value !== 'object' || value === null || Array.isArray(value)) return;
  for (const [key, child] of Object.entries(value)) {
    const known = schema.properties[key];
    if (known) {
      checkKeys(known, child, `${path}${key}.`, where);
      continue;
    }
    const nearest = nearestName(key, Object.keys(schema.properties));
    const names = Object.keys(schema.properties).join(', ');
    fail(
      'config',
      `${where}: unknown key ${path}${key}.`,
      nearest ? `did you mean ${path}${nearest}?` : `known here are ${names}`,
    );
  }
}

/** What a value would have to be, in words. */
function phrase(error: { keyword: string; params: object; message: string }): string {
  const { allowedValue, limit, comparison } = error.params as {
    allowedValue?: unknown;
    limit?: number;
    comparison?: string;
  };
  if (limit !== undefined) return `must be ${comparison ?? ''} ${limit}`.replace(/\s+/g, ' ');
  if (allowedValue !== undefined) return `must be ${JSON.stringify(allowedValue)}`;
  return error.message;
}

/** What the schema says of a key: the hint of an error. */
function descriptionOf(key: string): string | undefined {
  let node: SchemaNode | undefined = ConfigSchema as SchemaNode;
  for (const part of key.split('.')) node = node?.properties?.[part] ?? node?.items;
  return node?.description;
}

/** Settings with their descriptions; those that are worked out later stay comments. */
function printSection(schema: SchemaNode, value: unknown, indent: string, lines: string[]): void {
  for (const [key, node] of Object.entries(schema.properties ?? {})) {
    const child = (value as Record<string, unknown>)[key];
    if (node.properties) {
      lines.push(...(indent === '' && lines.length > 0 ? [''] : []), `${indent}${key}:`);
      printSection(node, child, `${indent}  `, lines);
      continue;
    }
    const text = child === undefined ? `# ${key}:` : stringify({ [key]: child }, { lineWidth: 0 }).trimEnd();
    const [first, ...rest] = text.split('\n');
    lines.push(
      `${indent}${first!.padEnd(36)} # ${node.description ?? ''}`,
      ...rest.map((line) => indent + line),
    );
  }
}
