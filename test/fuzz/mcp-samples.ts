import { type Sample, sample } from './sample.ts';

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'fuzz', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
};

const INITIALIZE = {
  protocolVersion: '2025-11-25',
  capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: {} },
  clientInfo: { name: 'fuzz', version: '1' },
};

/** What clients of all eras ask, with all that there is to get wrong in it. `session`: of a client of the legacy era. */
export function mcpSamples(host: string, session: string): readonly Sample[] {
  const common = { host, accept: 'application/json, text/event-stream' };
  const json = { ...common, 'content-type': 'application/json' };
  const inSession = { ...json, 'mcp-session-id': session, 'mcp-protocol-version': '2025-11-25' };
  const rpc = (method: string, params?: object, id: unknown = 1) => ({
    jsonrpc: '2.0',
    ...(id !== undefined && { id }),
    method,
    ...(params && { params }),
  });
  const legacy = (method: string, params?: object) => sample('POST', '/mcp', inSession, rpc(method, params));
  const modern = (method: string, params: Record<string, unknown> = {}, name?: string) =>
    sample(
      'POST',
      '/mcp',
      {
        ...json,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...(name !== undefined && { 'mcp-name': name }),
      },
      rpc(method, { ...params, _meta: META }),
    );
  const call = { name: 'one__echo', arguments: { text: 'hello', list: [1, { a: null }] } };
  return [
    sample('POST', '/mcp', json, rpc('initialize', INITIALIZE)),
    legacy('ping'),
    legacy('tools/list', { cursor: 'eyJ4IjoxfQ' }),
    legacy('tools/call', { ...call, _meta: { progressToken: 'p' } }),
    legacy('tools/call', {
      name: 'exec_tool',
      arguments: { server: 'one', tool: 'echo', arguments: { text: 'x' } },
    }),
    legacy('tools/call', {
      name: 'streaming_example',
      arguments: { message: 'x', count: 2 },
      task: { ttl: 1000 },
    }),
    legacy('tools/call', {
      name: 'list_tools_for_mcp_server',
      arguments: { server: 'one', patterns: ['*a*b*'] },
    }),
    legacy('prompts/get', { name: 'one__p', arguments: { a: 'b' } }),
    legacy('resources/read', { uri: 'one://r' }),
    legacy('resources/subscribe', { uri: 'one://r' }),
    legacy('completion/complete', {
      ref: { type: 'ref/prompt', name: 'one__p' },
      argument: { name: 'a', value: 'b' },
    }),
    legacy('logging/setLevel', { level: 'debug' }),
    legacy('tasks/get', { taskId: 'one.abc' }),
    sample('POST', '/mcp', inSession, { jsonrpc: '2.0', id: 'one:1', result: { roots: [] } }),
    sample(
      'POST',
      '/mcp',
      inSession,
      rpc('notifications/cancelled', { requestId: 1, reason: 'x' }, undefined),
    ),
    sample('POST', '/mcp', inSession, [rpc('ping'), rpc('tools/list', undefined, 2)]),
    sample('GET', '/mcp', { ...inSession, 'last-event-id': '1.2.3' }),
    sample('DELETE', '/mcp', { ...inSession, 'mcp-session-id': 'not-one-of-ours' }),
    sample('GET', '/sse', common),
    sample('POST', '/messages?sessionId=x', json, rpc('ping')),
    sample('GET', '/.well-known/oauth-protected-resource/mcp', common),
    sample('GET', '/oauth/callback?code=abc&state=def&iss=http%3A%2F%2Fa.example', {
      ...common,
      cookie: 'a=b; c=d',
    }),
    sample('GET', '/oauth/login/abc', common),
    sample(
      'POST',
      '/oauth/login/abc',
      { ...common, 'content-type': 'application/x-www-form-urlencoded' },
      Buffer.from('go=on'),
    ),
    modern('server/discover'),
    modern('tools/list', { cursor: 'eyJ4IjoxfQ' }),
    modern('tools/call', call, 'one__echo'),
    modern(
      'tools/call',
      { ...call, inputResponses: { a: { action: 'accept' } }, requestState: 'abc' },
      'one__echo',
    ),
    modern('prompts/get', { name: 'one__p' }, 'one__p'),
    modern('resources/read', { uri: 'one://r' }, 'one://r'),
    modern('subscriptions/listen', {
      notifications: { toolsListChanged: true, resourceSubscriptions: ['one://r'] },
    }),
    modern('tasks/get', { taskId: 'one.abc' }, 'one.abc'),
  ];
}
