// Server-sent events out of a byte stream. EventSource cannot send a token in a header, so the stream is read by fetch.

export interface ServerEvent {
  event: string;
  data: string;
}

/** Collects text chunks, however they were cut, and gives the events that are complete. */
export class EventParser {
  private rest = '';

  /** Longest event in characters; a server that sends more is not ours. */
  constructor(private readonly limit = 8_000_000) {}

  push(chunk: string): ServerEvent[] {
    const blocks = (this.rest + chunk).split(/\r?\n\r?\n/);
    this.rest = blocks.pop() ?? '';
    if (this.rest.length > this.limit) throw new Error('an event is longer than allowed');
    return blocks.map(parse).filter((event) => event !== null);
  }
}

/** One event; `null` for a comment, which is how heartbeats look. */
function parse(block: string): ServerEvent | null {
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    if (field === 'data') data.push(value);
  }
  return data.length === 0 ? null : { event, data: data.join('\n') };
}
