// `npm start`: trains a model (or finds the one that was trained) and serves it. Flags go to
// `cria start`, but for those of the server, which are taken out here. Two programs, so that each
// stays one; this file only passes the run folder from one to the other.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const trainer = fileURLToPath(new URL('../apps/trainer/dist/cli.js', import.meta.url));
const server = fileURLToPath(new URL('../apps/server/dist/cli.js', import.meta.url));

const { serve, port, host, rest } = split(process.argv.slice(2));
if (serve && !rest.includes('--help') && !rest.includes('-h')) await requireFreePort(port, host);

/** @type {string | undefined} */
let run;
const trained = await execute(trainer, ['start', ...rest], (message) => {
  run = message.run;
});
if (trained !== 0 || run === undefined || !serve) process.exit(trained);
process.exit(await execute(server, ['--model', run, '--port', String(port), '--host', host]));

/** @param {string[]} args */
function split(args) {
  /** @type {string[]} */
  const rest = [];
  const values = { serve: true, port: 8080, host: '127.0.0.1' };
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = String(args[i]).split(/=(.*)/s);
    if (name === '--no-serve') values.serve = false;
    else if (name === '--port') values.port = portNumber(inline ?? args[++i]);
    else if (name === '--host')
      values.host = inline ?? args[++i] ?? refuse('--host needs a value. hint: write --host 127.0.0.1');
    else rest.push(String(args[i]));
  }
  return { ...values, rest };
}

/**
 * @param {string | undefined} text
 * @returns {number}
 */
function portNumber(text) {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535 && text !== '') return port;
  return refuse(`--port is "${text}". hint: give a whole number from 0 to 65535`);
}

/**
 * Better now than after two minutes of training.
 * @param {number} port
 * @param {string} host
 * @returns {Promise<void>}
 */
function requireFreePort(port, host) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
      refuse(
        error.code === 'EADDRINUSE'
          ? `port ${port} of ${host} is in use. hint: npm start -- --port ${port + 1}, or --no-serve`
          : `cannot listen on ${host}:${port}: ${error.message}.`,
      );
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

/**
 * @param {string} message
 * @returns {never}
 */
function refuse(message) {
  process.stderr.write(`[start] ${message}\n`);
  process.exit(1);
}

/**
 * Runs a program of this checkout to its end. Ctrl-C reaches it through the terminal; SIGTERM is passed on.
 * @param {string} file
 * @param {string[]} args
 * @param {(message: { run?: string }) => void} [onMessage]
 * @returns {Promise<number>}
 */
function execute(file, args, onMessage) {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], {
    stdio: onMessage ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
  });
  const ignore = () => {};
  const pass = () => child.kill('SIGTERM');
  process.on('SIGINT', ignore).on('SIGTERM', pass);
  if (onMessage) child.on('message', (message) => onMessage(/** @type {{ run?: string }} */ (message)));
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGTERM', pass);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}
