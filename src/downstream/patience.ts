/** For what a server should do first, and what the rest must not wait for any longer. */
const PATIENCE_MS = 1000;

/** Resolves when `begin` calls back, at the latest after a second: a server that is slow here is used as it is. */
export async function patiently(begin: (done: () => void) => void, patienceMs = PATIENCE_MS): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, patienceMs);
  begin(resolve);
  await promise;
  clearTimeout(timer);
}
