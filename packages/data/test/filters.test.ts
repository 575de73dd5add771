import { describe, expect, it } from 'vitest';
import { defaultFilters, stripLicenceHeader, textStatistics } from '@cria/data';
import { failedFilter, isLicenceFile } from '../src/filters.ts';

const { code } = defaultFilters;

describe('filters', () => {
  it.each<[string, number, number, number]>([
    ['', 0, 0, 0],
    ['abc', 3, 3, 1],
    ['abc\n', 3, 3, 3 / 4],
    ['abc\n\n1', 3, 4 / 3, 4 / 6],
    ['\n', 0, 0, 0],
    ['日本語123', 6, 6, 1],
    ['😀😀', 2, 2, 0],
    ['éa_', 3, 3, 2 / 3],
  ])('measures %j', (text, maxLine, meanLine, share) => {
    const statistics = textStatistics(text);
    expect(statistics.maxLine).toBe(maxLine);
    expect(statistics.meanLine).toBeCloseTo(meanLine, 12);
    expect(statistics.alphanumericShare).toBeCloseTo(share, 12);
  });

  it('has the thresholds of the GitHub data, exclusive', () => {
    const short = 'x\n'.repeat(30);
    expect(failedFilter(`${short}${'a'.repeat(1000)}`, code)).toBeUndefined();
    expect(failedFilter(`${short}${'a'.repeat(1001)}`, code)).toBe('long line');
    expect(failedFilter(`${'a'.repeat(100)}\n`.repeat(9), code)).toBeUndefined();
    expect(failedFilter(`${'a'.repeat(100)}\n${'a'.repeat(101)}`, code)).toBe('long mean line');
    expect(failedFilter('a---', code)).toBeUndefined();
    expect(failedFilter('a----', code)).toBe('few alphanumerics');
    expect(failedFilter('abc', { ...code, minLettersPerToken: 1.5 }, 2)).toBeUndefined();
    expect(failedFilter('ab1', { ...code, minLettersPerToken: 1.5 }, 2)).toBe('few letters per token');
    expect(failedFilter('-'.repeat(5000), defaultFilters.text)).toBeUndefined();
  });

  it.each([
    ['/* Copyright 2020 */\ncode();', 'code();'],
    ['/*\n * (c) The Authors\n * Licensed under MIT\n */\n\ncode();', '\ncode();'],
    ['// SPDX-License-Identifier: MIT\n// more\n\ncode();', 'code();'],
    ['#!/bin/sh\n# Copyright X\necho', 'echo'],
    ['/** Says what it does. */\ncode();', '/** Says what it does. */\ncode();'],
    ['// a first note\ncode();', '// a first note\ncode();'],
    ['#include <stdio.h>\n// copyright', '#include <stdio.h>\n// copyright'],
    ['code(); /* copyright */', 'code(); /* copyright */'],
  ])('strips the licence off %j', (text, wanted) => {
    expect(stripLicenceHeader(text)).toBe(wanted);
  });

  it('knows licence files', () => {
    for (const name of [
      'LICENSE',
      'license.md',
      'COPYING',
      'THIRD-PARTY-LICENSES.txt',
      'MIT-LICENSE.txt',
      'Notice',
      'ca.crt',
    ])
      expect(isLicenceFile(name), name).toBe(true);
    for (const name of ['licensing.ts', 'index.ts', 'noticeboard.md', 'silence.txt'])
      expect(isLicenceFile(name), name).toBe(false);
  });
});
