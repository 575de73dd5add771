import { browser, type BrowserWorker } from './browser-globals.ts';
import { type ListCall, type ThreadStart, threadProgram } from './module.ts';

/**
 * A worker's life: it becomes a thread of the module and says so. Thread 0 runs the lists that it
 * is sent, the others take chunks of them for ever. Given as text, so that it needs no file beside
 * it, and no import map, which workers do not have.
 */
const workerProgram = `
onmessage = ({ data: { module, memory, stack, tls, thread } }) => {
${threadProgram}
  onmessage = ({ data }) => postMessage(exports.run(...data, 1));
  postMessage('ready');
  if (thread > 0) exports.work(thread);
};
`;

/** The workers of one module in a browser. */
export class BrowserThreads {
  readonly #workers: BrowserWorker[] = [];
  readonly #url = URL.createObjectURL(new Blob([workerProgram], { type: 'text/javascript' }));
  #leader: BrowserWorker | undefined;
  /** Ends the wait for the list that the leader runs. */
  #waiting: { resolve: (refused: number) => void; reject: (error: Error) => void } | undefined;

  /** A worker as a thread; resolved when it takes work. */
  start(start: ThreadStart): Promise<void> {
    const worker = new browser.Worker!(this.#url);
    this.#workers.push(worker);
    if (start.thread === 0) this.#leader = worker;
    return new Promise((resolve, reject) => {
      worker.addEventListener('message', ({ data }) => {
        if (data === 'ready') resolve();
        else this.#waiting?.resolve(data as number);
      });
      worker.addEventListener('error', ({ message }) => {
        const error = new Error(
          `[openWasm] thread ${start.thread} ended: ${message ?? 'the worker did not start'}. hint: the ` +
            `page's security policy must allow worker-src blob:`,
        );
        reject(error);
        this.#waiting?.reject(error);
      });
      worker.postMessage(start);
    });
  }

  /** Runs a list on thread 0. One at a time. */
  lead(call: ListCall): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#leader!.postMessage(call);
    });
  }

  close(): void {
    for (const worker of this.#workers) worker.terminate();
    URL.revokeObjectURL(this.#url);
    this.#waiting?.reject(new Error('[openWasm] the device was disposed of while a list ran.'));
  }
}
