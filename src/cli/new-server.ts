import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { CreateMcpServerRequestSchema } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { type OAuthOptions, oauthMessage } from './oauth-options.ts';

/** A server reached over HTTP, or one that is a process of the gateway. */
export type NewTarget =
  | { readonly kind: 'http'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  | {
      readonly kind: 'stdio';
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd?: string;
    };

/** Time limits of calls, in milliseconds. */
export interface Timeouts {
  /** Without a sign of life. */
  readonly idleMs?: number;
  /** In all. */
  readonly totalMs?: number;
}

/** Who else may use a server. */
export interface Sharing {
  readonly tenant: boolean;
  readonly roles: readonly string[];
}

/** A server to add. */
export interface NewServer {
  readonly name: string;
  readonly target: NewTarget;
  readonly toolPrefix?: string;
  readonly enabled?: boolean;
  readonly timeouts?: Timeouts;
  /** By the server's own name of the tool. */
  readonly toolTimeouts?: Readonly<Record<string, Timeouts>>;
  readonly sharedWith?: Sharing;
  readonly oauth?: OAuthOptions;
}

/** The request that adds it. */
export function createRequest(server: NewServer): MessageInitShape<typeof CreateMcpServerRequestSchema> {
  const { name, target, toolPrefix, enabled, timeouts, toolTimeouts, sharedWith, oauth } = server;
  const common = {
    name,
    ...(toolPrefix !== undefined && { toolPrefix }),
    ...(enabled !== undefined && { enabled }),
    ...(timeouts !== undefined && { timeouts: timeoutsMessage(timeouts) }),
    ...(toolTimeouts !== undefined && { toolTimeouts: toolTimeoutsMessage(toolTimeouts) }),
    ...(sharedWith !== undefined && { sharedWith: sharingMessage(sharedWith) }),
    ...(oauth !== undefined && { oauth: oauthMessage(oauth) }),
  };
  if (target.kind === 'http') {
    return { ...common, target: { case: 'url', value: target.url }, headers: { ...target.headers } };
  }
  const { command, args, env, cwd = '' } = target;
  return { ...common, target: { case: 'stdio', value: { command, args: [...args], env: { ...env }, cwd } } };
}

export function sharingMessage({ tenant, roles }: Sharing) {
  return { tenant, roles: [...roles] };
}

export function timeoutsMessage({ idleMs, totalMs }: Timeouts) {
  return {
    ...(idleMs !== undefined && { idle: durationFromMs(idleMs) }),
    ...(totalMs !== undefined && { total: durationFromMs(totalMs) }),
  };
}

export function toolTimeoutsMessage(tools: Readonly<Record<string, Timeouts>>) {
  return Object.fromEntries(
    Object.entries(tools).map(([tool, timeouts]) => [tool, timeoutsMessage(timeouts)]),
  );
}
