import type { ChildProcess } from 'node:child_process';
import type { Wire } from './channel.ts';

/** Either end of the pipe between a process and one that it has forked with `serialization: 'advanced'`. */
export function processWire(end: ChildProcess | NodeJS.Process): Wire {
  return {
    send(message) {
      // It fails where the other end has gone meanwhile, which `disconnect` tells.
      if (end.connected) end.send?.(message as object, undefined, undefined, () => {});
    },
    onMessage: (listener) => void end.on('message', listener),
    onClose: (listener) => void end.once('disconnect', listener),
  };
}
