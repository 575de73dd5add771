/** Fingerprint of codes and layout. */
export function layout(): string;
/** Path → text of what follows from commands.mjs. */
export function generated(): Readonly<Record<string, string>>;
/** Files that are not what the table says. */
export function stale(): string[];
