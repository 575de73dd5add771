export { EngineFailure } from './engine-client.ts';
export type { ModelFacts, EngineFile as EngineThread } from './protocol.ts';
export { type RunningServer, startServer } from './server.ts';
export type { ServerOptions } from './server-options.ts';
