import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/sdk/types.js';

/** A tool's result for people. Structured content is shown where there is no other. */
export function resultText({ content, structuredContent }: CallToolResult): string {
  if (content.length > 0) return content.map(blockText).join('\n');
  return structuredContent === undefined ? '' : JSON.stringify(structuredContent, null, 2);
}

function blockText(block: ContentBlock): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'image':
    case 'audio':
      return `[${block.type}, ${block.mimeType}, ${byteCount(block.data)}]`;
    case 'resource_link':
      return `[resource ${block.uri}]`;
    case 'resource': {
      const { resource } = block;
      return 'text' in resource ? resource.text : `[resource ${resource.uri}, ${byteCount(resource.blob)}]`;
    }
  }
}

function byteCount(base64: string): string {
  return `${Buffer.byteLength(base64, 'base64')} bytes`;
}
