/* Other libraries' matrix products, timed by a Python program that stays open (gemm-peers.py). */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface PeerProduct {
  readonly form: string;
  readonly dtype: 'f32' | 'bf16';
  /** As of `linear`: y [rows, columns] = x [rows, k] · wᵀ. */
  readonly rows: number;
  readonly columns: number;
  readonly k: number;
  readonly threads: number;
}

export interface PeerRate {
  readonly gflops: number;
  readonly peer: string;
}

export class GemmPeers {
  readonly #child;
  readonly #lines;

  constructor(python: string) {
    const script = fileURLToPath(new URL('gemm-peers.py', import.meta.url));
    this.#child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Of each library that has the dtype. */
  async time(product: PeerProduct): Promise<readonly PeerRate[]> {
    this.#child.stdin.write(`${JSON.stringify(product)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('[bench cpu] the Python program ended. hint: see its message above');
    return JSON.parse(value) as PeerRate[];
  }

  close(): void {
    this.#child.stdin.end();
  }
}
