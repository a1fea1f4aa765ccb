import type { Channel } from './channel.ts';

// biome-ignore lint/suspicious/noExplicitAny: stands for whatever a port's methods take.
type Method = (...args: any[]) => Promise<unknown>;

/** All methods of a port, by name: one that is left out does not compile. */
export type Methods<Port> = { readonly [Name in keyof Port]: Port[Name] extends Method ? true : never };

/** A port that another process serves. Arguments and results are copied. */
export function remotePort<Port>(channel: Channel, name: string, methods: Methods<Port>): Port {
  const calls = Object.keys(methods).map((method): [string, Method] => {
    const full = `${name}.${method}`;
    return [method, (...args) => channel.call(full, ...args)];
  });
  return Object.fromEntries(calls) as Port;
}

/** Has the other process use a port: these methods of it, and nothing else. */
export function servePort<Port>(channel: Channel, name: string, methods: Methods<Port>, port: Port): void {
  for (const method of Object.keys(methods) as (keyof Port & string)[]) {
    channel.serve(`${name}.${method}`, (...args) => (port[method] as Method)(...args));
  }
}
