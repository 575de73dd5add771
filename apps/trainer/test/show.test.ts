import { mkdtempSync, readdirSync, readFileSync, appendFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MetricsLog, readHistory } from '../src/metrics/metrics.ts';
import { crc32c, tfRecord } from '../src/metrics/tensorboard.ts';
import { terminalCurve } from '../src/show/curve.ts';
import { bytes, count, duration } from '../src/show/format.ts';
import { Progress } from '../src/show/progress.ts';
import { ticks } from '../src/show/smooth.ts';
import { lossCurveSvg } from '../src/show/svg.ts';

const step = (n: number, loss: number) =>
  ({
    type: 'step',
    step: n,
    totalSteps: 100,
    loss,
    learningRate: 1e-3,
    gradientNorm: 1,
    clipFactor: 1,
    tokens: 64,
    totalTokens: 64 * n,
    seconds: 1,
    tokensPerSecond: 64,
    flopsPerSecond: 1,
  }) as const;

describe('metrics', () => {
  it('writes CRC-32C as RFC 3720 has it', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  });

  it('frames records as TensorFlow does', () => {
    const record = tfRecord(Buffer.from('abc'));
    expect(record.length).toBe(19);
    expect(record.readBigUInt64LE(0)).toBe(3n);
    expect(record.subarray(12, 15).toString()).toBe('abc');
    const rotated = ((record.readUInt32LE(15) - 0xa282ead8) >>> 0) as number;
    expect(((rotated << 15) | (rotated >>> 17)) >>> 0).toBe(crc32c(Buffer.from('abc')));
  });

  it('keeps a history that survives a cut line, and drops what a resumed run does again', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cria-metrics-'));
    const log = new MetricsLog(folder, 0, () => 1000);
    for (let n = 1; n <= 5; n++) log.record(step(n, 10 - n));
    log.record({ type: 'evaluation', step: 5, loss: 4, tokens: 10, seconds: 1 });
    log.close();
    appendFileSync(join(folder, 'metrics.jsonl'), '{"type":"step","st');
    expect(readHistory(folder)).toMatchObject({
      train: [{ loss: 9 }, {}, {}, {}, { step: 5, loss: 5 }],
      validation: [{ step: 5, loss: 4 }],
    });
    new MetricsLog(folder, 3, () => 2000).close();
    expect(readHistory(folder).train.map((metric) => metric.step)).toEqual([1, 2, 3]);
    expect(readdirSync(join(folder, 'tensorboard'))).toHaveLength(2);
  });

  it('writes event files whose records and scalars can be read back', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cria-board-'));
    const log = new MetricsLog(folder, 0, () => 1000);
    log.record(step(300, 2.5));
    log.close();
    const file = readFileSync(join(folder, 'tensorboard', readdirSync(join(folder, 'tensorboard'))[0]!));
    const events: Buffer[] = [];
    for (let at = 0; at < file.length;) {
      const length = Number(file.readBigUInt64LE(at));
      events.push(file.subarray(at + 12, at + 12 + length));
      at += 16 + length;
    }
    expect(events).toHaveLength(2);
    expect(events[0]!.toString('latin1')).toContain('brain.Event:2');
    expect([...events[1]!.subarray(9, 12)]).toEqual([0x10, 0xac, 0x02]);
    const tag = events[1]!.indexOf('train/loss');
    expect(events[1]!.readFloatLE(tag + 'train/loss'.length + 1)).toBe(2.5);
  });
});

describe('pictures', () => {
  const history = {
    train: Array.from({ length: 300 }, (_, i) => ({ step: i + 1, loss: 8 * Math.exp(-i / 100) + 2 })),
    validation: [{ step: 300, loss: 2.5 }],
  };

  it('draws a falling curve in braille', () => {
    const lines = terminalCurve(history, 60, 8).split('\n');
    expect(lines).toHaveLength(10);
    const filled = (line: string) => [...line].findIndex((cell) => cell > '\u2800' && cell <= '\u28ff');
    expect(filled(lines[0]!)).toBeLessThan(12);
    expect(filled(lines[7]!)).toBeGreaterThan(30);
    expect(lines[0]).toMatch(/^ {2}9\.\d\d ┤/);
  });

  it('draws the same as SVG that a parser takes, with its numbers', () => {
    const svg = lossCurveSvg(history, 'a <run> & more', 6);
    expect(svg).toContain('a &lt;run&gt; &amp; more');
    expect(svg).toContain('unigram 6.00');
    expect(svg).toContain('held out 2.500');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const opened = svg.match(/<(\w+)[^>]*[^/]>/g)!.length;
    expect(svg.match(/<\/\w+>/g)).toHaveLength(opened);
  });

  it('has something to show for no steps', () => {
    expect(lossCurveSvg({ train: [], validation: [] }, 'x')).toContain('no steps yet');
    expect(terminalCurve({ train: [], validation: [] })).toContain('too few');
  });

  it('chooses round ticks inside the range', () => {
    expect(ticks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(ticks(1.93, 4.1).every((tick) => tick >= 1.93 && tick <= 4.1)).toBe(true);
  });
});

describe('words', () => {
  it('shortens numbers', () => {
    expect([duration(5), duration(65), duration(3720), duration(Infinity)]).toEqual([
      '5 s',
      '1 min 05 s',
      '1 h 02 min',
      '?',
    ]);
    expect([count(871), count(12345), count(4_800_000)]).toEqual(['871', '12.3k', '4.8M']);
    expect([bytes(12), bytes(34_000_000)]).toEqual(['12 B', '34.0 MB']);
  });

  it('redraws one line on a terminal, and prints lines elsewhere', () => {
    let time = 0;
    const draw = (isTTY: boolean) => {
      const written: string[] = [];
      const progress = new Progress(
        { isTTY, columns: 60, write: (text) => written.push(text) },
        'work',
        () => time,
      );
      for (time = 0; time < 20; time += 1) progress.draw(time / 20, 'facts');
      progress.end('done');
      return written;
    };
    const terminal = draw(true);
    expect(terminal[10]).toMatch(/^\r\x1b\[2Kwork █+.*50 %  facts  10 s left$/);
    expect(terminal.at(-1)).toBe('done\n');
    expect(terminal.slice(0, 20).every((text) => text.length < 70)).toBe(true);
    expect(draw(false)).toEqual([
      expect.stringContaining('work 0 %'),
      expect.stringContaining('work 50 %'),
      'done\n',
    ]);
  });
});
