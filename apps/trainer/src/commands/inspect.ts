import { writeFileSync } from 'node:fs';
import { fail } from '@cria/tensor';
import { command } from '../command.ts';
import { bytes } from '../show/format.ts';
import { factsOf, inspectPage } from './inspect-page.ts';
import { inspectPath } from './inspect-report.ts';

/** What a checkpoint holds: figures, tensors, metadata. */
export const inspect = command({
  summary: 'show the tensors, figures and metadata of a model',
  usage: 'cria inspect PATH [--html page.html]',
  flags: {
    html: { takes: 'text', value: 'FILE', help: 'write a page instead' },
  },
  async run({ values, words }, { out }) {
    const [path, ...rest] = words;
    if (path === undefined || rest.length > 0)
      fail('cria inspect', `it takes one path, not ${words.length}.`, 'cria inspect model.gguf');
    const inspection = await inspectPath(path);
    if (values.html !== undefined) {
      writeFileSync(values.html, inspectPage(inspection));
      out.write(`${values.html}: ${inspection.tensors.length} tensors\n`);
      return;
    }
    const { tensors, metadata, remark } = inspection;
    out.write(`${inspection.path}\n`);
    for (const [name, value] of [['format', inspection.format] as const, ...factsOf(inspection)])
      out.write(`  ${name.padEnd(20)} ${value}\n`);
    if (remark !== undefined) out.write(`  ${'remark'.padEnd(20)} ${remark}\n`);
    const width = Math.max(4, ...tensors.map(({ name }) => name.length));
    for (const { name, dtype, shape, bytes: size } of tensors)
      out.write(
        `${name.padEnd(width)}  ${dtype.padEnd(5)} ${shape.join(' × ').padStart(16)} ${bytes(size).padStart(9)}\n`,
      );
    const keyWidth = Math.max(4, ...metadata.map(([key]) => key.length));
    for (const [key, value] of metadata) out.write(`${key.padEnd(keyWidth)}  ${value}\n`);
  },
});
