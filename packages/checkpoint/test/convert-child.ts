/*
 * Converts a checkpoint to each place that is given, and prints what came of it. Arguments: source,
 * then target and place in turns; as the user whose number CRIA_TEST_USER is, where it is set.
 */
import { writeSync } from 'node:fs';
import { convertCheckpoint, type ConvertOptions, openCheckpoint } from '@cria/checkpoint';

const user = Number(process.env.CRIA_TEST_USER);
if (user > 0) {
  process.setgid?.(user);
  process.setuid?.(user);
}
const [source = '', ...rest] = process.argv.slice(2);
for (let i = 0; i + 1 < rest.length; i += 2) {
  const to = rest[i] as ConvertOptions['to'];
  const said = await convertCheckpoint(await openCheckpoint(source), rest[i + 1] ?? '', { to }).then(
    () => 'written',
    (error: unknown) => String(error),
  );
  writeSync(1, `${said}\n`);
}
