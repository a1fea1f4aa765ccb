import type { LoginChallenge } from '../db/oauth-record.ts';
import type { HttpTarget } from '../db/server-record.ts';
import { bearerChallenge } from './challenge.ts';
import type { GuardedFetch } from './guarded-fetch.ts';

/** What a server says now to whoever shows no token; undefined where it asks for none. */
export async function askChallenge(
  { url, headers }: HttpTarget,
  fetch: GuardedFetch,
): Promise<LoginChallenge | undefined> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      ...headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    isHeadOnly: true,
  });
  if (response.status !== 401) return undefined;
  const { error: _, ...challenge } =
    bearerChallenge(response.headers.get('www-authenticate') ?? undefined) ?? {};
  return challenge;
}
