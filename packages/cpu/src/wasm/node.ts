import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { readFilePart } from './file.ts';
import { type ThreadStart, threadProgram, WasmNative } from './module.ts';
import { unshared } from './unshared.ts';
import { Module } from './web-assembly.ts';

/** Given as text, so that it needs no file beside it, whatever bundles this package. It never returns. */
const workerProgram = `
const { workerData: { module, memory, stack, tls, thread } } = require('node:worker_threads');
${threadProgram}
exports.work(thread);
`;

export interface InstantiateOptions {
  /** Pages of 64 KiB; default: all that there can be. */
  readonly pages?: number;
  /** Memory that threads share; default true. Without, there is one thread. */
  readonly shared?: boolean;
}

/** The kernels of a wasm file in Node. Throws where the file is not ours. */
export function instantiate(path: string, { pages, shared = true }: InstantiateOptions = {}): WasmNative {
  const bytes = readFileSync(path);
  const module = new Module(shared ? bytes : unshared(bytes));
  const host = { maySleep: true, readFilePart, startThread: shared ? startThread : undefined };
  return new WasmNative(module, host, pages);
}

function startThread(workerData: ThreadStart): void {
  const worker = new Worker(workerProgram, {
    eval: true,
    execArgv: [], // no loader of the caller's: it would wait for the caller's event loop
    workerData,
  });
  worker.unref();
}
