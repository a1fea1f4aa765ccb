import type { JsonObject } from '@bufbuild/protobuf';
import type { HandlerContext } from '@connectrpc/connect';
import type { SeenEntries } from '../catalog/types.ts';
import type { McpServerRef } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { callerOf } from './caller.ts';
import type { TurnstileDependencies } from './dependencies.ts';
import { toJsonObject } from './json-object.ts';
import { pageByKey, toPageRequest } from './pages.ts';
import { resolveServer } from './server-ref.ts';

interface ListRequest {
  readonly server?: McpServerRef | undefined;
  readonly pageSize: number;
  readonly pageToken: string;
}

interface EntryPage {
  readonly entries: readonly { readonly key: string; readonly definition: JsonObject }[];
  readonly nextPageToken: string;
  readonly totalSize: number;
}

/** A page of what is seen of a server, of one kind. */
export async function listEntries(
  { servers }: TurnstileDependencies,
  request: ListRequest,
  context: HandlerContext,
  kind: keyof SeenEntries,
): Promise<EntryPage> {
  const owner = callerOf(context);
  const { id } = await resolveServer(servers, owner, request.server);
  const seen = await servers.seen(owner, id, context.signal);
  const page = pageByKey(seen[kind], ({ publicName }) => publicName, toPageRequest(request));
  return {
    entries: page.items.map(({ publicName, entry }) => ({
      key: publicName,
      definition: toJsonObject(entry),
    })),
    nextPageToken: page.nextPageToken ?? '',
    totalSize: page.total,
  };
}
