/** Between two tries, in milliseconds, and how many there are: enough for a bus that is slow or connects anew. */
const AGAIN_MS = 500;
const TRIES = 6;

/**
 * For a message that is nobody's to wait for and that may be heard twice: sent again where it was not heard, or where that
 * is not known. Given up in the end; what it was for then ends with its time.
 */
export function insist(send: () => Promise<boolean>, tries = TRIES): void {
  const again = () => {
    if (tries > 1) setTimeout(insist, AGAIN_MS, send, tries - 1).unref();
  };
  send().then((heard) => {
    if (!heard) again();
  }, again);
}
