/** `WebAssembly`, as far as this package uses it: Node's types do not name it as a value. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Memory: new (descriptor: {
    /** Pages of 64 KiB. */
    readonly initial: number;
    readonly maximum: number;
    readonly shared: boolean;
  }) => WasmMemory;
  readonly Instance: new (
    module: WasmModule,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: object };
  compile(bytes: Uint8Array): Promise<WasmModule>;
}

declare const moduleBrand: unique symbol;
/** A compiled module; workers take it as it is. */
export interface WasmModule {
  readonly [moduleBrand]: true;
}

export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
}

export const { Module, Memory, Instance, compile } = (
  globalThis as unknown as { WebAssembly: WebAssemblyApi }
).WebAssembly;
