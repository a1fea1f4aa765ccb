import { create } from '@bufbuild/protobuf';
import {
  CallTimeoutsSchema,
  McpServerSchema,
  OAuthClientGrantSchema,
  ServerSharingSchema,
  StdioCommandSchema,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { McpServerChangesSchema } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { usageError } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { byName, type Management, messageJson } from './management.ts';
import { sharingMessage, timeoutsMessage, toolTimeoutsMessage } from './new-server.ts';
import { oauthMessage, oauthOf } from './oauth-options.ts';
import { splitCommand } from './server-options.ts';
import { CLEARABLE, type UpdateOptions } from './server-update-options.ts';
import { serverDetails } from './server-view.ts';

export async function updateServer(
  io: Io,
  options: GlobalOptions,
  management: Management,
  name: string,
  update: UpdateOptions,
) {
  if (update.url !== undefined && update.command !== undefined) {
    throw usageError('give either --url or --command: a server is reached one way');
  }
  if (update.enable && update.disable) throw usageError('give either --enable or --disable');
  const request = updateOf(update);
  if (request.paths.length === 0) throw usageError('nothing to change: give at least one option');
  // A server that was reached over HTTP becomes a process as a whole; of one that is a process only the parts change.
  if (update.command !== undefined && !(await isProcess(management, name))) {
    request.paths = ['stdio', ...request.paths.filter((path) => !path.startsWith('stdio.'))];
  }
  const { server } = await management.updateMcpServer({
    server: byName(name),
    changes: request.changes,
    updateMask: { paths: request.paths },
  });
  if (server === undefined) return;
  print(io, options, messageJson(McpServerSchema, server), () => serverDetails(server));
}

async function isProcess(management: Management, name: string): Promise<boolean> {
  const { server } = await management.getMcpServer({ server: byName(name) });
  return server?.target.case === 'stdio';
}

/** The new values, and the paths of the fields that they are for. */
function updateOf(update: UpdateOptions) {
  const changes = create(McpServerChangesSchema);
  const paths: string[] = [];
  if (update.name !== undefined) {
    changes.name = update.name;
    paths.push('name');
  }
  if (update.url !== undefined) {
    changes.target = { case: 'url', value: update.url };
    paths.push('url');
  }
  if (update.header !== undefined) {
    changes.headers = update.header;
    paths.push('headers');
  }
  const stdio = stdioOf(update);
  if (stdio.paths.length > 0) {
    changes.target = { case: 'stdio', value: stdio.value };
    paths.push(...stdio.paths);
  }
  if (update.toolPrefix !== undefined) {
    changes.toolPrefix = update.toolPrefix;
    paths.push('tool_prefix');
  }
  if (update.enable || update.disable) {
    changes.enabled = update.enable === true;
    paths.push('enabled');
  }
  const limits = timeoutsOf(update);
  if (limits.paths.length > 0) {
    changes.timeouts = limits.value;
    paths.push(...limits.paths);
  }
  if (update.toolTimeout !== undefined) {
    for (const [tool, value] of Object.entries(toolTimeoutsMessage(update.toolTimeout))) {
      changes.toolTimeouts[tool] = create(CallTimeoutsSchema, value);
    }
    paths.push('tool_timeouts');
  }
  if (update.share !== undefined) {
    changes.sharedWith = create(ServerSharingSchema, sharingMessage(update.share));
    paths.push('shared_with');
  }
  const oauth = oauthOf(update);
  if (oauth !== undefined) {
    changes.oauth = create(OAuthClientGrantSchema, oauthMessage(oauth));
    paths.push('oauth');
  }
  for (const word of update.clear ?? []) {
    const path = CLEARABLE.get(word);
    if (path === undefined) throw usageError(`--clear: expected one of ${[...CLEARABLE.keys()].join(', ')}`);
    if (paths.includes(path)) throw usageError(`--clear ${word}: an option gives it a new value`);
    paths.push(path);
  }
  return { changes, paths };
}

function timeoutsOf({ timeout, maxTimeout }: UpdateOptions) {
  const value = create(
    CallTimeoutsSchema,
    timeoutsMessage({
      ...(timeout !== undefined && { idleMs: timeout }),
      ...(maxTimeout !== undefined && { totalMs: maxTimeout }),
    }),
  );
  const paths: string[] = [];
  if (timeout !== undefined) paths.push('timeouts.idle');
  if (maxTimeout !== undefined) paths.push('timeouts.total');
  return { value, paths };
}

function stdioOf({ command, env, cwd }: UpdateOptions) {
  const value = create(StdioCommandSchema);
  const paths: string[] = [];
  if (command !== undefined) {
    Object.assign(value, splitCommand(command));
    paths.push('stdio.command', 'stdio.args');
  }
  if (env !== undefined) {
    value.env = env;
    paths.push('stdio.env');
  }
  if (cwd !== undefined) {
    value.cwd = cwd;
    paths.push('stdio.cwd');
  }
  return { value, paths };
}
