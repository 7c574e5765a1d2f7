import { expect, it } from 'vitest';

import { EventParser } from './sse';

it('reads events however the chunks are cut', () => {
  const text = ': alive\n\nevent: stack\ndata: {"a":1}\n\ndata: x\ndata: y\n\n';
  for (let size = 1; size <= text.length; size += 1) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < text.length; at += size) events.push(...parser.push(text.slice(at, at + size)));
    expect(events).toEqual([
      { event: 'stack', data: '{"a":1}' },
      { event: 'message', data: 'x\ny' },
    ]);
  }
});

it('understands carriage returns', () => {
  expect(new EventParser().push('event: stack\r\ndata: 1\r\n\r\n')).toEqual([{ event: 'stack', data: '1' }]);
});

it('does not collect without end', () => {
  const parser = new EventParser(10);
  expect(() => parser.push('data: 0123456789')).toThrow();
});
