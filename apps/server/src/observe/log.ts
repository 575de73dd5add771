/** A line of the log: what happened, with plain fields. Never the text of a prompt or an answer. */
export type LogEntry = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export type Log = (entry: LogEntry) => void;

export const noLog: Log = () => {};

/**
 * Lines of JSON with the time, for programs that read logs. JSON has no bare line break, so no
 * request writes a line of its own.
 */
export function jsonLog(write: (line: string) => unknown): Log {
  return (entry) => void write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
}

const notes = new WeakMap<object, Record<string, string | number>>();

/** Adds to the line that a request will have in the log. */
export function note(request: object, fields: Readonly<Record<string, string | number>>): void {
  notes.set(request, { ...notes.get(request), ...fields });
}

export function notesOf(request: object): Readonly<Record<string, string | number>> {
  return notes.get(request) ?? {};
}
