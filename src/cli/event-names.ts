/** Types and outcomes of events, as they are written on the command line. */
export const TYPES = ['call', 'session', 'login', 'key', 'management', 'server', 'node', 'denial'] as const;
export type EventTypeName = (typeof TYPES)[number];

export const OUTCOMES = [
  'ok',
  'tool_error',
  'protocol_error',
  'timeout',
  'cancelled',
  'denied',
  'error',
] as const;
export type EventOutcomeName = (typeof OUTCOMES)[number];
