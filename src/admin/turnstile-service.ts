import type { ServiceImpl } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import type { ServerRecord } from '../db/server-record.ts';
import type { McpServer } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import type {
  TurnstileService,
  UpdateMcpServerRequest,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { createApiKeyMethods } from './api-keys.ts';
import { callerOf, requireAdmin } from './caller.ts';
import type { TurnstileDependencies } from './dependencies.ts';
import { listEntries } from './entries.ts';
import { createEventMethods } from './event-log.ts';
import { createLoginMethods } from './logins.ts';
import { toPageRequest } from './pages.ts';
import { createRecordingMethods } from './recordings.ts';
import { createSecretMethods } from './secrets.ts';
import { toServerSpec } from './server-input.ts';
import { toServerMessage } from './server-message.ts';
import { resolveServer } from './server-ref.ts';
import { createSessionMethods } from './sessions.ts';
import { toTestResponse } from './test-response.ts';
import { updateServer } from './update-server.ts';

/** What is started runs as the gateway itself, on its machine. */
const STARTING = 'have the gateway start a process';

/** The management API over the functions that the rest of the gateway uses. Requests come validated. `closing`: streams end. */
export function createTurnstileService(
  deps: TurnstileDependencies,
  closing: AbortSignal,
): ServiceImpl<typeof TurnstileService> {
  const { servers, apiKeys, eventStore, reseal, logins } = deps;

  async function show(record: ServerRecord, viewer: Principal): Promise<McpServer> {
    return toServerMessage(record, await servers.health(record), viewer);
  }

  return {
    ...createApiKeyMethods(apiKeys),
    ...createSecretMethods(reseal),
    ...createEventMethods({ store: eventStore, closing }),
    ...createLoginMethods(deps),
    ...createSessionMethods(deps),
    ...createRecordingMethods(deps.recorder),

    async createMcpServer(request, context) {
      const caller = callerOf(context);
      if (request.target.case === 'stdio') requireAdmin(caller, STARTING);
      return { server: await show(await servers.create(caller, toServerSpec(request)), caller) };
    },

    async getMcpServer(request, context) {
      const caller = callerOf(context);
      return { server: await show(await resolveServer(servers, caller, request.server), caller) };
    },

    async listMcpServers(request, context) {
      const caller = callerOf(context);
      const page = await servers.page(caller, toPageRequest(request));
      return {
        servers: await Promise.all(page.items.map((record) => show(record, caller))),
        nextPageToken: page.nextPageToken ?? '',
        totalSize: page.total,
      };
    },

    async updateMcpServer(request, context) {
      const caller = callerOf(context);
      if (isAboutProcess(request)) requireAdmin(caller, STARTING);
      const updated = await updateServer(servers, caller, request);
      if (updated.sharedWith === undefined && isAboutSharing(request)) await logins.unshared(updated);
      if (isAboutTokens(request)) await logins.regranted(updated);
      return { server: await show(updated, caller) };
    },

    async deleteMcpServer(request, context) {
      const caller = callerOf(context);
      const record = await resolveServer(servers, caller, request.server);
      const revoke = await logins.ending(record);
      await servers.delete(caller, record.id);
      revoke();
      return {};
    },

    async testMcpServer(request, context) {
      const caller = callerOf(context);
      const { id } = await resolveServer(servers, caller, request.server);
      return toTestResponse(await servers.test(caller, id, context.signal));
    },

    async refreshMcpServer(request, context) {
      const caller = callerOf(context);
      const record = await resolveServer(servers, caller, request.server);
      const seen = await servers.refresh(caller, record.id, context.signal);
      return {
        server: await show(record, caller),
        toolCount: seen.tools.length,
        resourceCount: seen.resources.length,
        resourceTemplateCount: seen.resourceTemplates.length,
        promptCount: seen.prompts.length,
      };
    },

    async listTools(request, context) {
      const { entries, ...page } = await listEntries(deps, request, context, 'tools');
      return { ...page, tools: entries.map(({ key, definition }) => ({ publicName: key, definition })) };
    },

    async listResources(request, context) {
      const { entries, ...page } = await listEntries(deps, request, context, 'resources');
      return { ...page, resources: entries.map(({ key, definition }) => ({ publicUri: key, definition })) };
    },

    async listResourceTemplates(request, context) {
      const { entries, ...page } = await listEntries(deps, request, context, 'resourceTemplates');
      return {
        ...page,
        resourceTemplates: entries.map(({ key, definition }) => ({ publicUriTemplate: key, definition })),
      };
    },

    async listPrompts(request, context) {
      const { entries, ...page } = await listEntries(deps, request, context, 'prompts');
      return { ...page, prompts: entries.map(({ key, definition }) => ({ publicName: key, definition })) };
    },
  };
}

function isAboutSharing({ updateMask }: UpdateMcpServerRequest): boolean {
  return updateMask?.paths.includes('shared_with') === true;
}

function isAboutTokens({ changes, updateMask }: UpdateMcpServerRequest): boolean {
  const paths = updateMask?.paths ?? [];
  return paths.length === 0 ? changes?.oauth !== undefined : paths.includes('oauth');
}

function isAboutProcess({ changes, updateMask }: UpdateMcpServerRequest): boolean {
  const paths = updateMask?.paths ?? [];
  return changes?.target.case === 'stdio' || paths.some((path) => path.split('.', 1)[0] === 'stdio');
}
