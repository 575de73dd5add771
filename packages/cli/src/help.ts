import type { Option, Options } from './option.ts';

/** What stands for the value of an option. */
export function placeholder({ takes, value }: Option): string {
  if (value !== undefined) return value;
  if (takes === 'number' || takes === 'whole') return 'N';
  return takes === 'text' ? 'TEXT' : 'NAME';
}

/** A line an option: `  --port N   port to listen on (8080)`, names before what they are for. */
export function helpLines(table: Options): string {
  const rows = Object.entries(table).map(([name, option]) => {
    const { takes } = option;
    const left = takes === 'nothing' ? `--${name}` : `--${name} ${placeholder(option)}`;
    return [left, explanation(option)] as const;
  });
  const all = [...rows, ['--help', 'this text'] as const];
  const width = Math.max(...all.map(([left]) => left.length));
  return all.map(([left, help]) => `  ${left.padEnd(width)}  ${help}\n`).join('');
}

function explanation({ takes, help, default: standard, otherwise, multiple, required }: Option): string {
  const names = typeof takes === 'string' ? '' : `${takes.join(', ')}${help === '' ? '' : ': '}`;
  const absent = required === undefined ? (otherwise ?? standard) : 'required';
  const remarks = [...(multiple ? ['repeatable'] : []), ...(absent === undefined ? [] : [String(absent)])];
  return `${names}${help}${remarks.length > 0 ? ` (${remarks.join('; ')})` : ''}`;
}
