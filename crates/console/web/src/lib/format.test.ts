import { describe, expect, it } from 'vitest';

import { age, ago, bytes, clock, cores, count, duration, milli, percent, rate } from './format';

describe('format', () => {
  it('shows bytes in the unit that keeps three digits', () => {
    expect([0, 999, 1000, 50331648, 536870912, 1048051712, 1610612736].map(bytes)).toEqual([
      '0 B', '999 B', '1 KiB', '48 MiB', '512 MiB', '1 GiB', '1.5 GiB',
    ]);
  });

  it('shows what is unknown as a dash, not as zero', () => {
    expect([bytes(null), cores(null), rate(null), percent(null)]).toEqual(['–', '–', '–', '–']);
    expect([bytes(0), cores(0), rate(0), percent(0)]).toEqual(['0 B', '0.00', '0', '0\u00a0%']);
  });

  it('shows the two largest units of a duration', () => {
    expect([0, 59, 60, 61, 3600, 11520, 86400, 190000].map(duration)).toEqual([
      '0 s', '59 s', '1 min', '1 min 1 s', '1 h', '3 h 12 min', '1 d', '2 d 4 h',
    ]);
    expect(duration(-3)).toBe('0 s');
  });

  it('shows short ages with one digit', () => {
    expect([0, 0.42, 9.53, 10.9, 59.9, 75].map(age)).toEqual(['0 s', '0.4 s', '9.5 s', '10 s', '59 s', '1 min 15 s']);
  });

  it('shows rates without false precision', () => {
    expect([0.04, 3.14, 10.4, 1240].map(rate)).toEqual(['< 0.1', '3.1', '10', '1\u202f240']);
  });

  it('groups digits', () => {
    expect([7, 999, 1000, 1234567].map(count)).toEqual(['7', '999', '1\u202f000', '1\u202f234\u202f567']);
  });

  it('shows shares', () => {
    expect([0.0004, 0.034, 0.5, 1].map(percent)).toEqual(['< 0.1\u00a0%', '3.4\u00a0%', '50\u00a0%', '100\u00a0%']);
  });

  it('shows milli-units', () => {
    expect([5000, 9500, 120, -1500].map(milli)).toEqual(['5', '9.5', '0.12', '-1.5']);
  });

  it('shows moments', () => {
    expect(clock(new Date(2026, 0, 2, 4, 3, 9).getTime())).toBe('04:03:09');
    const now = 10_000_000;
    expect([0, 12, 200, 7300, 200000].map((seconds) => ago(now - seconds * 1000, now))).toEqual([
      'now', '12 s ago', '3 min ago', '2 h ago', '2 d ago',
    ]);
  });
});
