// Run in a browser, on a page or in a worker: the conformance suite on the kernels there. `?only=`
// chooses checks, `&threads=` threads, `&worker` runs it in a worker. A page leaves what failed in
// `window.result`.
import { conformanceFailures } from '@cria/tensor/conformance';
import { CpuDevice } from '../../../src/device.ts';
import type { Native } from '../../../src/native.ts';
import { openNative } from '../../../src/wasm/browser.ts';

interface Answer {
  readonly checked: string;
  readonly failures: readonly string[];
}

const scope = globalThis as unknown as {
  readonly location: { readonly href: string };
  readonly document?: object;
  readonly Worker: new (
    url: string,
    options: object,
  ) => {
    addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  };
  postMessage(message: unknown): void;
  result?: unknown;
};
const url = new URL(scope.location.href);
const asked = url.searchParams;

async function check(): Promise<Answer> {
  const opened = await openNative({
    file: fetch('/cria-cpu.wasm'),
    ...(asked.has('threads') && { threads: Number(asked.get('threads')) }),
    ...(asked.has('memory') && { memory: Number(asked.get('memory')) }),
  });
  const { threads, background, reason } = opened;
  const native = withoutClose(opened.native);
  const failures = await conformanceFailures(
    (options) => new CpuDevice({ native, isa: 0, threads: options?.threads ?? threads, background }),
    {
      threads: threads > 1 ? [1, threads] : [],
      weights: ['bf16', 'f16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1', 'q4_k', 'q5_k', 'q6_k'],
      ...(asked.has('only') && { only: new RegExp(asked.get('only')!) }),
    },
  );
  const live = opened.native.liveBytes();
  if (live > 0 && threads === 1) failures.push(`${live} bytes are left`);
  opened.native.close();
  return { checked: `${threads} threads, background ${background}: ${reason}`, failures };
}

/** The module for many devices, none of which ends its threads. */
function withoutClose(native: Native & object): Native {
  const get = (target: object, name: string): unknown => {
    const value: unknown = name === 'close' ? undefined : Reflect.get(target, name, target);
    return typeof value === 'function' ? value.bind(target) : value;
  };
  return new Proxy(native, { get: (target, name) => get(target, name as string) });
}

if (scope.document && asked.has('worker')) {
  const worker = new scope.Worker(`/conformance.js?${asked.toString()}`, { type: 'module' });
  worker.addEventListener('message', ({ data }) => (scope.result = data));
} else {
  const answer = await check().catch((error: Error) => ({ checked: 'nothing', failures: [error.stack] }));
  if (scope.document) scope.result = answer;
  else scope.postMessage(answer);
}
