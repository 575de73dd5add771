/**
 * What a file really is when it is none of the formats its name promises: a clone without Git LFS,
 * a saved web page, an empty download. These are the most frequent reasons for an unreadable model,
 * and a reader's own message about them ("header length 2336927755350992246") tells nobody.
 */
import { failure } from './errors.ts';
import { decodeUtf8 } from './bytes/utf8.ts';

export interface WrongFile {
  /**
   * For an error message, behind "this is": `a Git LFS pointer to 500,058 bytes, not the file
   * itself`.
   */
  readonly what: string;
  readonly hint: string;
}

/** So much of the front is looked at: pointers are below 1,024 bytes by their specification. */
const FRONT = 1024;

const DOWNLOAD = 'download the file itself, with the right address and, where it asks for one, a login';

/**
 * What the front of a file shows it to be, or undefined where nothing speaks against it. `bytes` is
 * the file or its first kilobyte; no format of models or tokenizers begins like any of these.
 */
export function describeWrongFile(bytes: Uint8Array): WrongFile | undefined {
  if (bytes.length === 0)
    return { what: 'an empty file', hint: 'the download or the copy was cut off: fetch it again' };
  const front = decodeUtf8(bytes.subarray(0, FRONT)).replace(/^\ufeff/, '');
  return lfsPointer(front) ?? webPage(front) ?? serverAnswer(front, bytes.length);
}

/** Throws where the file is none of those that `op` reads. */
export function refuseWrongFile(op: string, bytes: Uint8Array): void {
  const wrong = describeWrongFile(bytes);
  if (wrong !== undefined) throw failure(op, `this is ${wrong.what}`, wrong.hint);
}

/** git-lfs/docs/spec.md: `version` comes first, `size` is in bytes. */
function lfsPointer(front: string): WrongFile | undefined {
  if (!/^version https:\/\/(?:git-lfs\.github\.com|hawser\.github\.com)\/spec\/v\d/.test(front))
    return undefined;
  const size = /^size (\d+)\r?$/m.exec(front)?.[1];
  const length = size === undefined ? 'another file' : `${Number(size).toLocaleString('en')} bytes`;
  return {
    what: `a Git LFS pointer to ${length}, not the file itself`,
    hint: 'run `git lfs pull` in the folder of the repository',
  };
}

function webPage(front: string): WrongFile | undefined {
  const html = /^\s*(?:<!--[^]*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|script)[\s>]/i.test(
    front,
  );
  if (html) return { what: 'a web page', hint: DOWNLOAD };
  const isXml = /^\s*<(?:\?xml|Error>)/.test(front);
  return isXml ? { what: 'an XML document, as servers answer with', hint: DOWNLOAD } : undefined;
}

/** The short texts that model hubs and raw-file servers send in place of a file. */
function serverAnswer(front: string, length: number): WrongFile | undefined {
  const answers =
    /^(?:entry not found|not found|404: not found|repository not found|access to model \S+ is|invalid (?:username|credentials))/i;
  if (length > FRONT || !answers.test(front)) return undefined;
  return { what: `a server's answer (${JSON.stringify(front.slice(0, 60).trim())})`, hint: DOWNLOAD };
}
