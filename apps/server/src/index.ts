export { EngineFailure } from './engine-client.ts';
export type { ModelFacts, ThreadFile as EngineThread } from './protocol.ts';
export { type RunningServer, type ServerOptions, startServer } from './server.ts';
