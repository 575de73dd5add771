/* The browser that tests and benchmarks run in: the system's, without what it does on its own. */
import { existsSync } from 'node:fs';

const executablePath = process.env['CRIA_CHROMIUM'] ?? '/usr/bin/chromium';

/** Why there is no browser to test in, or ''. */
export const noBrowser = existsSync(executablePath)
  ? ''
  : `there is no browser at ${executablePath}; CRIA_CHROMIUM names another`;

/** For `chromium.launch` of playwright-core. */
export const launchOptions = {
  executablePath,
  headless: true,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
