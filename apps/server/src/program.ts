import { errorText } from '@cria/tensor';
import { EngineFailure } from './engine-client.ts';
import { helpText, parseFlags } from './flags.ts';
import { jsonLog } from './observe/log.ts';
import type { EngineFile } from './protocol.ts';
import { type RunningServer, startServer } from './server.ts';

/** What the program has of the world. */
export interface World {
  readonly out: { write(text: string): unknown };
  readonly errors: { write(text: string): unknown };
  /** Calls back at SIGTERM and Ctrl-C; returns how to stop listening. */
  readonly onStop: (stop: () => void) => () => void;
  /** Where the engine's thread starts; default the built one. */
  readonly thread?: EngineFile;
}

/** Serves until it is told to stop or the engine breaks; resolves to the exit code. */
export async function main(args: readonly string[], world: World): Promise<number> {
  try {
    const options = parseFlags(
      args,
      jsonLog((line) => world.errors.write(line)),
    );
    if (options !== 'help') return await serve(options, world);
    world.out.write(helpText());
    return 0;
  } catch (error) {
    world.errors.write(`${error instanceof EngineFailure ? error.message : errorText(error)}\n`);
    return 1;
  }
}

async function serve(options: Parameters<typeof startServer>[0], world: World): Promise<number> {
  let end = () => {};
  const ended = new Promise<'ended'>((resolve) => (end = () => resolve('ended')));
  let failure: EngineFailure | undefined;
  const onFailure = (reason: EngineFailure) => {
    failure = reason;
    end();
  };
  const onError = (error: unknown) => world.errors.write(`${stackOf(error)}\n`);
  let server: RunningServer | undefined;
  let stops = 0;
  const forget = world.onStop(() => {
    end();
    // A second call of close() no longer waits for running texts.
    if (++stops > 1) void server?.close();
  });
  try {
    const thread = world.thread && { thread: world.thread };
    const starting = startServer({ ...options, ...thread, onFailure, onError });
    // Asked to stop while loading: nobody waits for the model.
    if ((await Promise.race([starting, ended])) === 'ended' && !failure) return 0;
    server = await starting;
    announce(server, world);
    await ended;
    if (!failure) world.out.write('stopping when the running texts are done; again to stop at once\n');
    await server.close();
    if (!failure) return 0;
    world.errors.write(`${failure.message}\n`);
    return 1;
  } finally {
    forget();
  }
}

function stackOf(error: unknown): string {
  return (error instanceof Error && error.stack) || String(error);
}

function announce({ url, facts }: RunningServer, { out, errors }: World): void {
  for (const line of facts.warnings ?? []) errors.write(`warning: ${line}\n`);
  if (facts.fallbackReason)
    out.write(`computing in plain TypeScript, which is slow: ${facts.fallbackReason}\n`);
  const cache =
    facts.cacheBytes === undefined ? '' : `, a cache of ${Math.ceil(facts.cacheBytes / 2 ** 20)} MiB`;
  out.write(
    `${facts.id} (${shortCount(facts.parameters)} parameters) on ${facts.device}${cache} at ${url}\n`,
  );
}

/** 6738415616 is 6.74B. */
function shortCount(count: number): string {
  const [unit, size] = count >= 1e9 ? ['B', 1e9] : count >= 1e6 ? ['M', 1e6] : ['K', 1e3];
  return `${Number((count / size).toPrecision(3))}${unit}`;
}
