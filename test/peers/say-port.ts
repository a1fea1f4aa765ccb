/**
 * Loaded before a server that is started on any free port and would not say which: tells the parent process, and ends
 * with it.
 */
import type { AddressInfo } from 'node:net';
import { Server } from 'node:net';

const { listen } = Server.prototype;
Server.prototype.listen = function (this: Server, ...args: unknown[]) {
  this.once('listening', () => process.send?.((this.address() as AddressInfo).port));
  return Reflect.apply(listen, this, args);
};
process.once('disconnect', () => process.exit());
