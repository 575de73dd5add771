// Platforms that get a prebuilt native file; each is a package `@cria/cpu-<target>`. The release workflow builds them.

/** @typedef {{ os: NodeJS.Platform, cpu: NodeJS.Architecture, libc?: 'glibc' | 'musl' }} NativeTarget */

/** @type {Readonly<Record<string, NativeTarget>>} */
export const nativeTargets = {
  'linux-x64-gnu': { os: 'linux', cpu: 'x64', libc: 'glibc' },
  'linux-arm64-gnu': { os: 'linux', cpu: 'arm64', libc: 'glibc' },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64' },
  'darwin-x64': { os: 'darwin', cpu: 'x64' },
};
