export { type Chunks, removeAfter, syncFolder, writeFileAtomic, type WrittenFile } from './atomic.ts';
export { explain } from './explain.ts';
export { isRunning, temporarySuffix, writerOf } from './temporary.ts';
export { writeWhole } from './whole.ts';
