import type { ServiceImpl } from '@connectrpc/connect';
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
import { createSecretMethods } from './secrets.ts';
import { toServerSpec } from './server-input.ts';
import { toServerMessage } from './server-message.ts';
import { resolveServer } from './server-ref.ts';
import { toTestResponse } from './test-response.ts';
import { updateServer } from './update-server.ts';

/** What is started runs as the gateway itself, on its machine. */
const STARTING = 'have the gateway start a process';

/** The management API over the functions that the rest of the gateway uses. Requests come validated. `closing`: streams end. */
export function createTurnstileService(
  deps: TurnstileDependencies,
  closing: AbortSignal,
): ServiceImpl<typeof TurnstileService> {
  const { servers, apiKeys, eventStore, reseal } = deps;

  async function show(record: ServerRecord): Promise<McpServer> {
    return toServerMessage(record, await servers.health(record));
  }

  return {
    ...createApiKeyMethods(apiKeys),
    ...createSecretMethods(reseal),
    ...createEventMethods({ store: eventStore, closing }),
    ...createLoginMethods(deps),

    async createMcpServer(request, context) {
      const owner = callerOf(context);
      if (request.target.case === 'stdio') requireAdmin(owner, STARTING);
      return { server: await show(await servers.create(owner, toServerSpec(request))) };
    },

    async getMcpServer(request, context) {
      const owner = callerOf(context);
      return { server: await show(await resolveServer(servers, owner, request.server)) };
    },

    async listMcpServers(request, context) {
      const owner = callerOf(context);
      const page = await servers.page(owner, toPageRequest(request));
      return {
        servers: await Promise.all(page.items.map(show)),
        nextPageToken: page.nextPageToken ?? '',
        totalSize: page.total,
      };
    },

    async updateMcpServer(request, context) {
      const owner = callerOf(context);
      if (isAboutProcess(request)) requireAdmin(owner, STARTING);
      return { server: await show(await updateServer(servers, owner, request)) };
    },

    async deleteMcpServer(request, context) {
      const owner = callerOf(context);
      const { id } = await resolveServer(servers, owner, request.server);
      await servers.delete(owner, id);
      return {};
    },

    async testMcpServer(request, context) {
      const owner = callerOf(context);
      const { id } = await resolveServer(servers, owner, request.server);
      return toTestResponse(await servers.test(owner, id, context.signal));
    },

    async refreshMcpServer(request, context) {
      const owner = callerOf(context);
      const record = await resolveServer(servers, owner, request.server);
      const seen = await servers.refresh(owner, record.id, context.signal);
      return {
        server: await show(record),
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

function isAboutProcess({ changes, updateMask }: UpdateMcpServerRequest): boolean {
  const paths = updateMask?.paths ?? [];
  return changes?.target.case === 'stdio' || paths.some((path) => path.split('.', 1)[0] === 'stdio');
}
