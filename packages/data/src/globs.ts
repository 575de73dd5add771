/**
 * A matcher of `/`-separated relative paths. `*` and `?` stay inside a name, `**` crosses folders,
 * `{a,b}` is either. A pattern without `/` is compared with the last name only.
 */
export function globMatcher(patterns: readonly string[]): (path: string) => boolean {
  const matchers = patterns.map((pattern) => {
    const expression = new RegExp(`^${translate(pattern)}$`, 'u');
    return pattern.includes('/')
      ? (path: string) => expression.test(path)
      : (path: string) => expression.test(path.slice(path.lastIndexOf('/') + 1));
  });
  return (path) => matchers.some((matches) => matches(path));
}

function translate(pattern: string): string {
  let expression = '';
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] ?? '';
    if (pattern.startsWith('**/', i)) {
      expression += '(?:[^/]+/)*';
      i += 2;
    } else if (pattern.startsWith('**', i)) {
      expression += '.*';
      i += 1;
    } else if (character === '*') expression += '[^/]*';
    else if (character === '?') expression += '[^/]';
    else if (character === '{' && pattern.includes('}', i)) {
      expression += '(?:';
      depth++;
    } else if (character === '}' && depth > 0) {
      expression += ')';
      depth--;
    } else if (character === ',' && depth > 0) expression += '|';
    else expression += character.replace(/[\\^$.|+()[\]{}/]/g, '\\$&');
  }
  return expression;
}
