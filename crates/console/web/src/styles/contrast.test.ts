// Every text colour of the tokens is readable on every ground it stands on (WCAG 2.2, 1.4.3: at least 4.5 to 1).

import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

const css = readFileSync(new URL('./tokens.css', import.meta.url), 'utf8');
const [light = '', dark = ''] = css.split('@media');

function colours(text: string): Map<string, string> {
  return new Map([...text.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', value = '']) => [name, value]));
}

function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const channel = parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(a: string, b: string): number {
  const [bright = 0, dim = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (bright + 0.05) / (dim + 0.05);
}

it.each([['light', light], ['dark', dark]])('texts are readable: %s', (_, text) => {
  const palette = colours(text);
  const inks = ['ink', 'ink-soft', 'ink-faint', 'sea-deep', 'lead', 'amber'];
  const pairs = [
    ...inks.flatMap((ink) => ['paper', 'surface'].map((ground) => [ink, ground])),
    ['ink', 'amber-wash'], ['ink', 'sea-wash'], ['ink', 'fresh'], ['ink-soft', 'fresh'], ['ink-faint', 'fresh'],
  ];
  for (const [ink = '', ground = ''] of pairs) {
    const ratio = contrast(palette.get(ink) ?? '', palette.get(ground) ?? '');
    expect(ratio, `${ink} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  }
});
