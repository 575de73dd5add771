/** A source and all that it includes: path → text. Folders are searched after the including file's own. */
export function includesOf(source: string, folders: readonly string[]): Map<string, string>;
/** Hash of settings and of the texts, not of where they lie. */
export function objectKey(settings: unknown, source: string, folders: readonly string[]): string;
