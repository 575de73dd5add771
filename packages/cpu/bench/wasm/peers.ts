/** The peers' packages, pinned. */
export const peerPackages = {
  '@tensorflow/tfjs-core': '4.22.0',
  '@tensorflow/tfjs-backend-cpu': '4.22.0',
  '@tensorflow/tfjs-backend-wasm': '4.22.0',
  'onnxruntime-web': '1.30.0',
  '@jax-js/jax': '0.1.25',
};

/** Folders of files that a peer fetches: path of the site → folder of its package. */
export const peerFiles = {
  '/tfjs/': '@tensorflow/tfjs-backend-wasm/wasm-out',
  '/ort/': 'onnxruntime-web/dist',
};

/**
 * What each peer does, as a module for the browser that exports `open(threads)`, which gives a
 * `Product` (page.ts). TensorFlow.js and jax are given both matrices as tensors of their own, ONNX
 * Runtime the right one inside the model, where it packs it once.
 */
export const peers: Readonly<Record<string, string>> = {
  'tfjs-backend-wasm': `
    import * as tf from '@tensorflow/tfjs-core';
    import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
    export async function open(threads) {
      setWasmPaths('/tfjs/');
      setThreadsCount(threads);
      await tf.setBackend('wasm');
      await tf.ready();
      return async (x, w, n) => {
        const [a, b] = [tf.tensor2d(x, [n, n]), tf.tensor2d(w, [n, n])];
        return {
          run: (times) => { for (let i = 0; i < times; i++) tf.dispose(tf.matMul(a, b)); },
          result: () => tf.matMul(a, b).data(),
        };
      };
    }`,
  'onnxruntime-web': `
    import * as ort from 'onnxruntime-web/wasm';
    import { matmulModel } from 'cria-onnx';
    export async function open(threads) {
      ort.env.wasm.numThreads = threads;
      ort.env.wasm.wasmPaths = location.origin + '/ort/';
      return async (x, w, n) => {
        const session = await ort.InferenceSession.create(matmulModel(n, n, n, w), { executionProviders: ['wasm'] });
        const feeds = { x: new ort.Tensor('float32', x, [n, n]) };
        return {
          run: async (times) => { for (let i = 0; i < times; i++) (await session.run(feeds)).y.dispose(); },
          result: async () => (await session.run(feeds)).y.getData(),
        };
      };
    }`,
  'jax-js': `
    export async function open(threads) {
      // It starts as many workers as there are processors, and counts them when it is loaded.
      Object.defineProperty(navigator, 'hardwareConcurrency', { value: threads });
      const { blockUntilReady, defaultDevice, init, numpy: np } = await import('@jax-js/jax');
      await init('wasm');
      defaultDevice('wasm');
      return async (x, w, n) => {
        const [a, b] = [np.array(x, { shape: [n, n] }), np.array(w, { shape: [n, n] })];
        await blockUntilReady([a.ref, b.ref]);
        return {
          run: async (times) => {
            for (let i = 0; i < times; i++) (await np.matmul(a.ref, b.ref).blockUntilReady()).dispose();
          },
          result: () => np.matmul(a.ref, b.ref).data(),
        };
      };
    }`,
};
