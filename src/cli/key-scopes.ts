/** What an API key may open, as it is written on the command line. */
export const SCOPES = ['mcp', 'manage', 'admin'] as const;
export type KeyScope = (typeof SCOPES)[number];
