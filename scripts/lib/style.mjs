// What a reader can see of a file without reading it: columns, lengths, comments. Nothing here
// knows which figures are allowed.
import ts from 'typescript';

/**
 * @typedef {object} LongFunction
 * @property {number} line   where it begins, from 1
 * @property {string} name
 * @property {number} lines  from its name to its end
 */

/**
 * @typedef {object} Figures  of one file
 * @property {number} lines
 * @property {number} filled           lines that are not blank
 * @property {number} comments         lines that are nothing but comment
 * @property {number[]} over120        numbers of the lines with more columns
 * @property {number} over100          how many lines have more columns
 * @property {LongFunction[]} functions  those of more than 60 lines, tables left out
 */

export const mostColumns = 120;
export const usualColumns = 100;
export const mostFunctionLines = 60;
export const mostFileLines = 400;

/** @param {string} path @param {string} text @returns {Figures} */
export function figuresOf(path, text) {
  const lines = text.replace(/\n$/, '').split(/\r?\n/);
  const isCpp = /\.(h|cc|cpp|c)$/.test(path);
  const isScript = /\.(ts|mjs|js)$/.test(path);
  return {
    lines: lines.length,
    filled: lines.filter((line) => line.trim() !== '').length,
    comments: commentLines(lines),
    over120: lines.flatMap((line, i) => ([...line].length > mostColumns ? [i + 1] : [])),
    over100: lines.filter((line) => [...line].length > usualColumns).length,
    functions: (isCpp ? cppFunctions(lines) : isScript ? scriptFunctions(path, text) : []).filter(
      ({ lines: length }) => length > mostFunctionLines,
    ),
  };
}

/** Lines that begin and end inside a comment. @param {readonly string[]} lines */
function commentLines(lines) {
  let comments = 0;
  let inside = false;
  for (const line of lines) {
    const text = line.trim();
    if (inside) {
      comments++;
      inside = !text.includes('*/');
    } else if (text.startsWith('//')) comments++;
    else if (text.startsWith('/*')) {
      const end = text.indexOf('*/', 2);
      if (end < 0 || end === text.length - 2) comments++;
      inside = end < 0;
    }
  }
  return comments;
}

/**
 * Functions by the syntax tree. Left out is what only holds others: the callback of `describe`, and a function whose
 * body is one table.
 * @param {string} path @param {string} text @returns {LongFunction[]}
 */
function scriptFunctions(path, text) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (/** @type {number} */ place) => source.getLineAndCharacterOfPosition(place).line + 1;
  /** @type {LongFunction[]} */
  const found = [];
  const visit = (/** @type {ts.Node} */ node) => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body && !isContainer(node)) {
      const first = lineOf(node.getStart(source));
      const name = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
      const called =
        name?.getText(source) ?? (ts.isConstructorDeclaration(node) ? 'constructor' : 'a callback');
      found.push({ line: first, name: called, lines: lineOf(node.end) - first + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** @param {ts.SignatureDeclaration & { body?: ts.Node | undefined }} node */
function isContainer(node) {
  const { parent, body } = node;
  if (ts.isCallExpression(parent) && /^(describe|suite)\b/.test(parent.expression.getText())) return true;
  if (!body) return false;
  const only = ts.isBlock(body) ? body.statements.at(-1) : body;
  const rest = ts.isBlock(body) ? body.statements.length - 1 : 0;
  const value = only && ts.isReturnStatement(only) ? only.expression : only;
  return rest <= 3 && value !== undefined && isTable(/** @type {ts.Node} */ (value));
}

/** A list or record of entries, in parentheses or given to one function. @param {ts.Node} node @returns {boolean} */
function isTable(node) {
  if (ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node) || ts.isAsExpression(node))
    return isTable(node.expression);
  if (ts.isCallExpression(node) && node.arguments.length === 1)
    return isTable(/** @type {ts.Node} */ (node.arguments[0]));
  return ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node);
}

/**
 * Functions of C++ by a scan of braces: a line at the depth of names that ends with `) {` (or `const {`, `noexcept {`)
 * opens one.
 * @param {readonly string[]} lines @returns {LongFunction[]}
 */
function cppFunctions(lines) {
  /** @type {LongFunction[]} */
  const found = [];
  /** @type {{ line: number, name: string, depth: number } | undefined} */
  let open;
  let depth = 0;
  for (const [i, line] of lines.entries()) {
    const code = line.replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g, '""').replace(/\/\/.*$/, '');
    const opens =
      /^(?!\s*(?:if|for|while|switch|else|do|namespace|struct|class|enum|union|extern)\b).*\)[\w\s<>:&*-]*\{\s*$/;
    if (!open && opens.test(code)) open = { line: i + 1, name: nameBefore(lines, i), depth };
    for (const brace of code.match(/[{}]/g) ?? []) depth += brace === '{' ? 1 : -1;
    if (open && depth <= open.depth) {
      found.push({ line: open.line, name: open.name, lines: i - open.line + 2 });
      open = undefined;
    }
  }
  return found;
}

/**
 * The word before the first parenthesis of a head that ends in line `i`. @param {readonly string[]}
 * lines @param {number} i
 */
function nameBefore(lines, i) {
  for (let at = i; at >= 0 && at > i - 8; at--) {
    const name = /([A-Za-z_]\w*)\s*\(/.exec(lines[at] ?? '')?.[1];
    if (name !== undefined) return name;
  }
  return 'a function';
}
