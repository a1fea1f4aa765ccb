import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CreateMcpServerRequestSchema } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';

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

/** A server to add. */
export interface NewServer {
  readonly name: string;
  readonly target: NewTarget;
  readonly toolPrefix?: string;
  readonly enabled?: boolean;
}

/** The request that adds it. */
export function createRequest(server: NewServer): MessageInitShape<typeof CreateMcpServerRequestSchema> {
  const { name, target, toolPrefix, enabled } = server;
  const common = {
    name,
    ...(toolPrefix !== undefined && { toolPrefix }),
    ...(enabled !== undefined && { enabled }),
  };
  if (target.kind === 'http') {
    return { ...common, target: { case: 'url', value: target.url }, headers: { ...target.headers } };
  }
  const { command, args, env, cwd = '' } = target;
  return { ...common, target: { case: 'stdio', value: { command, args: [...args], env: { ...env }, cwd } } };
}
