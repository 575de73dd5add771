export { EngineFailure, type EngineThread } from './engine-client.ts';
export type { ModelFacts } from './protocol.ts';
export { type RunningServer, type ServerOptions, startServer } from './server.ts';
