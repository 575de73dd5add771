/** Talks to peers.py: one request, one answer. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

export interface PeerProcess {
  /** Installed versions; null where a package is missing. */
  versions(): Promise<Record<string, string | null>>;
  /** Seconds of one run. */
  time(request: object): Promise<number>;
  megabytes(vocabSize: number): Promise<number>;
  end(): void;
}

/** Undefined, with the reason printed, where there is no such Python. */
export async function startPeers(
  python: string,
  here: string,
  folder: string,
): Promise<PeerProcess | undefined> {
  const child = spawn(python, [join(here, 'peers.py'), folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const started = await new Promise<boolean>((resolve) => {
    child.once('spawn', () => resolve(true));
    child.once('error', (error) => {
      console.error(`no peers: ${error.message}`);
      resolve(false);
    });
  });
  if (!started) return undefined;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (request: object): Promise<Record<string, unknown>> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`[bench] ${python} ended. hint: its message stands above`);
    const reply = JSON.parse(value) as Record<string, unknown>; // peers.py's own format
    if (reply['error'] !== undefined)
      throw new Error(`[bench] ${String(reply['error'])}. hint: look at the peer's installation`);
    return reply;
  };
  return {
    versions: async () => (await ask({ op: 'versions' })) as Record<string, string | null>,
    time: async (request) => Number((await ask(request))['seconds']),
    megabytes: async (vocabSize) => Number((await ask({ op: 'train-memory', vocabSize }))['megabytes']),
    end: () => child.stdin.end(),
  };
}
