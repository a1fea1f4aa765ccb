import { Redis } from 'ioredis';
import type { ConnectionSettings } from './settings.ts';
import { Subscription } from './subscription.ts';
import type { RedisTarget } from './url.ts';

const SWITCH_CHANNEL = '+switch-master';

/**
 * Listens to one sentinel at a time for which server is the master. Sentinels leave a former master as it is for some
 * 10 s, and what is written to it in that time is lost: connections have to go at once.
 */
export function watchMaster(
  target: RedisTarget,
  settings: ConnectionSettings,
  onSwitch: () => void,
): { close(): Promise<void> } {
  const { addresses, master, sentinelUsername: username, sentinelPassword: password } = target;
  const { username: _username, password: _password, ...common } = settings;
  const credentials = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
  let turn = 0;
  let known: string | undefined;
  const notice = (address: string) => {
    if (known !== undefined && known !== address) onSwitch();
    known = address;
  };
  const subscription = new Subscription({
    channels: [SWITCH_CHANNEL],
    sharded: false,
    async dial() {
      const address = addresses[turn++ % addresses.length] ?? addresses[0];
      const once = {
        retryStrategy: null,
        autoResubscribe: false,
        lazyConnect: true,
        enableReadyCheck: false,
      };
      return new Redis({ ...common, ...credentials, ...address, ...once });
    },
    async prepare(connection) {
      // It may have changed while nobody listened.
      const address = await connection.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master);
      if (Array.isArray(address)) notice(address.join(' '));
    },
    onMessage(_channel, text) {
      // `<name> <old host> <old port> <new host> <new port>`
      const [name, , , ...address] = text.split(' ');
      if (name === master) notice(address.join(' '));
    },
    onUp: () => undefined,
    onDown: () => undefined,
  });
  void subscription.start();
  return { close: () => subscription.close() };
}
