/**
 * JSON as Python's json.dumps(value, ensure_ascii=False, indent) writes it, which is what `tojson`
 * means in chat templates: a space after every comma and colon.
 */
export function pythonJson(value: unknown, indent = 0, depth = 1): string {
  if (value === undefined || value === null || typeof value !== 'object')
    return JSON.stringify(value ?? null);
  const isList = Array.isArray(value);
  const items = isList
    ? (value as unknown[]).map((item) => pythonJson(item, indent, depth + 1)) // an array of anything
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}: ${pythonJson(item, indent, depth + 1)}`);
  const [open, close] = isList ? '[]' : '{}';
  if (items.length === 0) return `${open}${close}`;
  if (indent === 0) return `${open}${items.join(', ')}${close}`;
  const margin = '\n' + ' '.repeat(indent * depth);
  return `${open}${margin}${items.join(`,${margin}`)}\n${' '.repeat(indent * (depth - 1))}${close}`;
}
