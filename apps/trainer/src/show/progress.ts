import { duration } from './format.ts';

/**
 * Where progress goes: a terminal gets one line that is redrawn, anything else a line now and then.
 */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  /**
   * Calls back when nothing can be written any more, and drops writes from then on instead of
   * throwing; until it is disposed.
   */
  onClose?(listener: () => void): Disposable;
}

/**
 * One task with a bar: `draw` as often as you like, it paints ten times a second at most, or a line
 * every ten seconds without a terminal.
 */
export class Progress {
  #out: Output;
  #title: string;
  #now: () => number;
  #start: number;
  #last = -Infinity;
  #open = false;

  /** `now` is seconds. */
  constructor(out: Output, title: string, now: () => number) {
    this.#out = out;
    this.#title = title;
    this.#now = now;
    this.#start = now();
  }

  /**
   * `share` of the work done, 0 to 1; `facts` stand after the bar. `remaining` seconds are guessed
   * from the share unless given.
   */
  draw(share: number, facts: string, remaining?: number): void {
    const time = this.#now();
    // A log of a long run stays readable, and a terminal does not flicker.
    if (time - this.#last < (this.#out.isTTY ? 0.1 : 10)) return;
    this.#last = time;
    const elapsed = time - this.#start;
    const left = remaining ?? (share > 0 ? (elapsed / share) * (1 - share) : Infinity);
    const rest = Number.isFinite(left) ? `${duration(left)} left` : '';
    const tail = `${String(Math.floor(share * 100)).padStart(3)} %  ${facts}  ${rest}`;
    if (!this.#out.isTTY) {
      this.#out.write(`${this.#title} ${tail.trim()}\n`);
      return;
    }
    // The bar gives way first: a line that wraps could not be redrawn.
    const room = Math.max(8, Math.min(28, (this.#out.columns ?? 80) - this.#title.length - tail.length - 4));
    this.#out.write(
      `\r\x1b[2K${`${this.#title} ${bar(share, room)} ${tail}`.slice(0, (this.#out.columns ?? 80) - 1)}`,
    );
    this.#open = true;
  }

  /** A line above the bar. */
  say(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
    this.#last = -Infinity; // the bar comes back at the next draw
  }

  /** Ends the bar with a last line of its own. */
  end(text?: string): void {
    this.#clear();
    if (text !== undefined) this.#out.write(`${text}\n`);
  }

  #clear(): void {
    if (this.#open) this.#out.write('\r\x1b[2K');
    this.#open = false;
  }
}

/** A bar moves by an eighth of a cell. */
const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** `share` of the width in full cells, one partial cell, and dots. */
function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  return ('█'.repeat(filled >> 3) + eighths[filled & 7]!).padEnd(width, '·');
}
