// Numbers as a person reads them. A value that is not known is a dash, never a zero.

const DASH = '–';
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** 50331648 → `48 MiB`; three digits at most, because nobody acts on the fourth. */
export function bytes(value: number | null): string {
  if (value === null) return DASH;
  let unit = 0;
  let scaled = value;
  while (scaled >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? scaled : digits(scaled)} ${UNITS[unit]}`;
}

/** Thousandths of a core → cores: 120 → `0.12`. */
export function cores(milli: number | null): string {
  return milli === null ? DASH : (milli / 1000).toFixed(2);
}

/** The two largest units of a time in seconds: 11520 → `3 h 12 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days > 0) return pair(days, 'd', hours, 'h');
  if (hours > 0) return pair(hours, 'h', minutes, 'min');
  if (minutes > 0) return pair(minutes, 'min', whole % 60, 's');
  return `${whole} s`;
}

/** A short time with the precision it deserves: 0.42 → `0.4 s`, 9.53 → `9.5 s`, 75 → `1 min 15 s`. */
export function age(seconds: number): string {
  return seconds < 60 ? `${seconds < 10 ? trim(seconds.toFixed(1)) : Math.floor(seconds)} s` : duration(seconds);
}

/** Events a second: 0 → `0`, 3.14 → `3.1`, 240.2 → `240`. `null` while there is nothing to compare. */
export function rate(perSecond: number | null): string {
  if (perSecond === null) return DASH;
  if (perSecond > 0 && perSecond < 0.1) return '< 0.1';
  return perSecond < 10 ? trim(perSecond.toFixed(1)) : count(Math.round(perSecond));
}

/** 1234567 → `1 234 567`, with narrow no-break spaces. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

/** A share of one: 0.034 → `3.4 %`. */
export function percent(share: number | null): string {
  if (share === null) return DASH;
  const value = share * 100;
  if (value > 0 && value < 0.1) return '< 0.1\u00a0%';
  return `${value < 10 ? trim(value.toFixed(1)) : Math.round(value)}\u00a0%`;
}

/** Milli-units of a metric: 9500 → `9.5`. */
export function milli(value: number): string {
  return trim((value / 1000).toFixed(2));
}

/** Time of day of a moment, in the reader's own zone: `14:03:22`. */
export function clock(ms: number): string {
  const date = new Date(ms);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}

/** How long ago, in one unit: `now`, `12 s ago`, `3 min ago`. */
export function ago(ms: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - ms) / 1000);
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

function digits(value: number): string {
  return value < 10 ? trim(value.toFixed(1)) : String(Math.round(value));
}

function trim(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}
