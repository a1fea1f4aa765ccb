import assert from 'node:assert/strict';
import { test } from 'node:test';

import { markOf } from './session-mark.ts';

test('no mark of a session can be taken for an option of a command', () => {
  const marks = new Set(Array.from({ length: 1000 }, (_, n) => markOf(`session-${n}`)));
  assert.equal(marks.size, 1000);
  for (const mark of marks) assert.match(mark, /^[0-9a-f]{24}$/);
});
