/** A healthy issuer answers in a fraction of it; a client is waiting. */
const TIMEOUT_MS = 5_000;

/** Far more than any issuer's keys need. */
const MAX_BYTES = 1024 * 1024;

export type FetchJson = (url: string) => Promise<unknown>;

/** A JSON document of an issuer's. Rejects where there is none; redirects are not followed, since only this URL was configured. */
export const fetchJson: FetchJson = async (url) => {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  return JSON.parse(await textOf(url, response));
};

async function textOf(url: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    // Leaving the loop cancels the rest.
    if (length > MAX_BYTES) throw new Error(`${url} answered more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
