// Writes docs/configuration.md from the table of settings; with --check, fails when the file is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GROUPS } from '../src/config/setting.ts';
import { type SettingEntry, settingsTable } from '../src/config/settings.ts';

const file = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

const INTRODUCTION = `# Configuration

<!-- Generated from src/config/ by \`node scripts/generate-config-docs.ts\`. Edit it there. -->

Nothing has to be configured. Whatever is set comes from the first of these that has it:

1. the environment;
2. the profile: the file \`<DEPLOYMENT_NAME>.json\` in \`DRAGON_CONFIG_DIR\`, which is \`config/default.json\` in the
   working directory unless told otherwise;
3. the defaults below.

An empty value counts as none. A profile is a JSON object of the same names; numbers, \`true\`, \`false\` and lists of
strings may be written as such:

\`\`\`json
{ "DRAGON_MCP_PORT": 9001, "DRAGON_ALLOWED_HOSTS": ["gateway.example.com"] }
\`\`\`

The profile of a \`DEPLOYMENT_NAME\` that is set must exist; \`default\` need not. \`dragon config\` shows what is in effect,
with secrets masked.

Whatever is wrong stops the start, with one line for each mistake. A name that starts with \`DRAGON_\` and is not listed
here is a mistake too. The names that Kubernetes gives to services, such as \`DRAGON_SERVICE_HOST\`, are ignored; a
service named \`dragon-mcp\` or \`dragon-grpc\` would set \`DRAGON_MCP_PORT\` or \`DRAGON_GRPC_PORT\` to an address, which
\`enableServiceLinks: false\` in the pod prevents.
`;

const page = render();
if (!process.argv.includes('--check')) {
  writeFileSync(file, page);
} else if (readOrEmpty() !== page) {
  process.stderr.write('docs/configuration.md is stale: run node scripts/generate-config-docs.ts\n');
  process.exitCode = 1;
}

function render(): string {
  const sections = GROUPS.map((group) => {
    const entries = settingsTable.filter((entry) => entry.group === group);
    return `## ${group}\n\n${entries.map(section).join('\n')}`;
  });
  return [INTRODUCTION, ...sections].join('\n');
}

function section({ env, description, accepts, secret, ...entry }: SettingEntry): string {
  const lines = [
    `### \`${env}\``,
    '',
    description,
    '',
    `- Accepts: ${accepts}`,
    `- Default: ${entry.defaultNote ?? (entry.default ? `\`${entry.default}\`` : 'none')}`,
  ];
  if (secret) lines.push('- Secret: never printed');
  return `${lines.join('\n')}\n`;
}

function readOrEmpty(): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
