import { writeAtTurnEnd } from '../../src/turn-end.ts';

/** As many other connections do: what is written in a turn waits for its end. Ends with what it returns. */
export function keepBusy(): () => void {
  const other = { writeNow() {} };
  let next: NodeJS.Immediate;
  const write = () => {
    for (let count = 0; count < 2; count++) writeAtTurnEnd(other);
    next = setImmediate(write);
  };
  write();
  return () => clearImmediate(next);
}
