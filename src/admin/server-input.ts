import type {
  ClientGrant,
  HttpTarget,
  SecretField,
  ServerPatch,
  ServerRecord,
  ServerSpec,
  ServerTarget,
  Sharing,
  StdioTarget,
} from '../db/server-record.ts';
import type { ServerSharing, StdioCommand } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import type {
  CreateMcpServerRequest,
  McpServerChanges,
  UpdateMcpServerRequest,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { wrongField } from './field-paths.ts';
import { toClientGrant } from './oauth-input.ts';
import { changedTimeouts, toCallTimeouts, toToolTimeouts } from './timeouts.ts';

/** What the owner asks for. Throws InvalidArgument for headers of a server that is a process. */
export function toServerSpec(request: CreateMcpServerRequest): ServerSpec {
  const timeouts = toCallTimeouts(request.timeouts);
  const toolTimeouts = toToolTimeouts(request.toolTimeouts);
  return {
    name: request.name,
    target: toTarget(request),
    enabled: request.enabled ?? true,
    ...(request.toolPrefix === undefined ? {} : { toolPrefix: request.toolPrefix }),
    ...(timeouts === undefined ? {} : { timeouts }),
    ...(toolTimeouts === undefined ? {} : { toolTimeouts }),
    ...(request.sharedWith === undefined ? {} : { sharedWith: toSharing(request.sharedWith) }),
  };
}

function toSharing({ tenant, roles }: ServerSharing): Sharing {
  return tenant ? { tenant } : { roles: [...new Set(roles)].sort() };
}

function toTarget(request: CreateMcpServerRequest): ServerTarget {
  const { target, headers, oauth } = request;
  if (target.case === 'url')
    return withGrant(
      { kind: 'http', url: target.value, headers },
      oauth && toClientGrant(oauth, 'oauth'),
      '',
    );
  // Validation has refused a request with neither.
  if (target.case === undefined) throw wrongField('url', 'give a url or a stdio command');
  if (Object.keys(headers).length > 0) throw wrongField('headers', 'only a server with a url has headers');
  if (oauth !== undefined) throw wrongField('oauth', 'only a server with a url has tokens');
  return toStdioTarget(target.value, 'stdio');
}

/** `before`: the path of the message that they are fields of. Throws InvalidArgument where the headers say who calls, too. */
function withGrant(target: HttpTarget, oauth: ClientGrant | undefined, before: string): HttpTarget {
  const { oauth: _, ...rest } = target;
  if (oauth === undefined) return rest;
  if (Object.keys(target.headers).some((name) => name.toLowerCase() === 'authorization'))
    throw wrongField(`${before}oauth`, 'the headers have an authorization of their own: give one of the two');
  return { ...rest, oauth };
}

function toStdioTarget({ command, args, env, cwd }: StdioCommand, path: string): StdioTarget {
  if (command === '') throw wrongField(`${path}.command`, 'must not be empty');
  return { kind: 'stdio', command, args, env, ...(cwd === '' ? {} : { cwd }) };
}

/** The fields that a mask may name. */
const PATHS = [
  'name',
  'url',
  'stdio',
  'stdio.command',
  'stdio.args',
  'stdio.env',
  'stdio.cwd',
  'headers',
  'tool_prefix',
  'enabled',
  'timeouts',
  'timeouts.idle',
  'timeouts.total',
  'tool_timeouts',
  'shared_with',
  'oauth',
] as const;
type MaskPath = (typeof PATHS)[number];

/**
 * What an update changes of a server as it is stored: the fields in the mask and no others. A field in the mask that
 * has no value goes back to its default. Throws InvalidArgument for an unknown path and for what has no default, and
 * FailedPrecondition for a change that would lose secrets which can't be read now.
 */
export function toServerPatch(request: UpdateMcpServerRequest, stored: ServerRecord): ServerPatch {
  const { changes } = request;
  const mask = readMask(request);
  const patch: { -readonly [K in keyof ServerPatch]: ServerPatch[K] } = {};
  if (mask.has('name')) {
    if (changes?.name === undefined) throw wrongField('changes.name', 'a name cannot be cleared');
    patch.name = changes.name;
  }
  if (mask.has('tool_prefix')) patch.toolPrefix = changes?.toolPrefix ?? null;
  if (mask.has('enabled')) patch.enabled = changes?.enabled ?? true;
  const idle = mask.has('timeouts') || mask.has('timeouts.idle');
  const total = mask.has('timeouts') || mask.has('timeouts.total');
  if (idle || total) patch.timeouts = changedTimeouts({ idle, total }, changes?.timeouts, stored.timeouts);
  if (mask.has('tool_timeouts')) patch.toolTimeouts = toToolTimeouts(changes?.toolTimeouts ?? {}) ?? null;
  if (mask.has('shared_with'))
    patch.sharedWith = changes?.sharedWith === undefined ? null : toSharing(changes.sharedWith);
  const target = changedTarget(mask, changes, stored.target);
  if (target === stored.target) return patch;
  if (
    stored.unreadable !== undefined &&
    stored.lost?.some((field) => keeps(field, mask, stored.target, target))
  ) {
    throw new GatewayError(Code.FailedPrecondition, stored.unreadable);
  }
  patch.target = target;
  return patch;
}

/** Whether a change leaves secrets as they are: where they can't be read they would be lost by it. */
function keeps(
  field: SecretField,
  mask: ReadonlySet<MaskPath>,
  before: ServerTarget,
  after: ServerTarget,
): boolean {
  if (before.kind !== after.kind) return false;
  return field === 'env' ? !mask.has('stdio') && !mask.has('stdio.env') : !mask.has(field);
}

function readMask({ updateMask, changes }: UpdateMcpServerRequest): ReadonlySet<MaskPath> {
  // An absent mask and an empty one stand for what has a value, as https://google.aip.dev/134 has it.
  if (updateMask === undefined || updateMask.paths.length === 0) return populated(changes);
  const mask = new Set<MaskPath>();
  for (const path of updateMask.paths) {
    const known = PATHS.find((candidate) => candidate === path);
    if (known === undefined) throw wrongField('update_mask', `"${path}" is not one of ${PATHS.join(', ')}`);
    mask.add(known);
  }
  return mask;
}

function populated(changes: McpServerChanges | undefined): ReadonlySet<MaskPath> {
  const mask = new Set<MaskPath>();
  if (changes === undefined) return mask;
  if (changes.name !== undefined) mask.add('name');
  if (changes.target.case !== undefined) mask.add(changes.target.case);
  if (Object.keys(changes.headers).length > 0) mask.add('headers');
  if (changes.toolPrefix !== undefined) mask.add('tool_prefix');
  if (changes.enabled !== undefined) mask.add('enabled');
  if (changes.timeouts?.idle !== undefined) mask.add('timeouts.idle');
  if (changes.timeouts?.total !== undefined) mask.add('timeouts.total');
  if (Object.keys(changes.toolTimeouts).length > 0) mask.add('tool_timeouts');
  if (changes.sharedWith !== undefined) mask.add('shared_with');
  if (changes.oauth !== undefined) mask.add('oauth');
  return mask;
}

function changedTarget(
  mask: ReadonlySet<MaskPath>,
  changes: McpServerChanges | undefined,
  stored: ServerTarget,
): ServerTarget {
  const given = changes?.target ?? { case: undefined };
  let target = stored;
  if (mask.has('url') && given.case === 'url') {
    // The headers and the client stay: whoever moves a server need not know their values.
    target =
      stored.kind === 'http'
        ? { ...stored, url: given.value }
        : { kind: 'http', url: given.value, headers: {} };
  } else if (mask.has('stdio') && given.case === 'stdio') {
    target = toStdioTarget(given.value, 'changes.stdio');
  } else if (mask.has('url')) {
    throw wrongField('changes.url', 'a url can be replaced, not cleared');
  } else if (mask.has('stdio')) {
    throw wrongField('changes.stdio', 'a command can be replaced, not cleared');
  }
  target = withStdioFields(mask, given.case === 'stdio' ? given.value : undefined, target);
  const [headers, oauth] = [mask.has('headers'), mask.has('oauth')];
  if (!headers && !oauth) return target;
  if (target.kind !== 'http') {
    const field = headers ? 'headers' : 'oauth';
    throw wrongField(`changes.${field}`, `only a server with a url has ${headers ? 'headers' : 'tokens'}`);
  }
  const changed = headers ? { ...target, headers: changes?.headers ?? {} } : target;
  const before = stored.kind === 'http' ? stored.oauth : undefined;
  const asked = changes?.oauth && toClientGrant(changes.oauth, 'changes.oauth', before);
  return withGrant(changed, oauth ? asked : target.oauth, 'changes.');
}

function withStdioFields(
  mask: ReadonlySet<MaskPath>,
  given: StdioCommand | undefined,
  target: ServerTarget,
): ServerTarget {
  const named = PATHS.find((path) => path.startsWith('stdio.') && mask.has(path));
  if (named === undefined || mask.has('stdio')) return target;
  if (target.kind !== 'stdio')
    throw wrongField(`changes.${named}`, 'only a server with a stdio command has this');
  if (mask.has('stdio.command') && (given === undefined || given.command === '')) {
    throw wrongField('changes.stdio.command', 'a command can be replaced, not cleared');
  }
  const { cwd: storedCwd, ...rest } = target;
  const cwd = mask.has('stdio.cwd') ? given?.cwd : storedCwd;
  return {
    ...rest,
    ...(mask.has('stdio.command') && given !== undefined ? { command: given.command } : {}),
    ...(mask.has('stdio.args') ? { args: given?.args ?? [] } : {}),
    ...(mask.has('stdio.env') ? { env: given?.env ?? {} } : {}),
    ...(cwd === undefined || cwd === '' ? {} : { cwd }),
  };
}
