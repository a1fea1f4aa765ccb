// A process that opens the database its arguments name, for tests of many of them: `open-database.ts DATA_DIR [URL]`.
// It prints one line of JSON when it is open, or why it is not, and closes when its input ends.
import { LOCAL_PRINCIPAL } from '../../src/auth/principal.ts';
import { openDatabase } from '../../src/db/database.ts';
import { GatewayError } from '../../src/protocol/errors.ts';

const [dataDir = '', databaseUrl] = process.argv.slice(2);

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

try {
  const database = await openDatabase({ dataDir, databaseUrl });
  const servers = await database.servers.all(LOCAL_PRINCIPAL);
  say({ open: true, servers: servers.map((server) => server.name) });
  process.stdin.on('data', async (name) => {
    const target = { kind: 'http', url: 'http://localhost', headers: {} } as const;
    await database.servers.create(LOCAL_PRINCIPAL, { name: String(name).trim(), enabled: true, target });
    say({ created: true });
  });
  process.stdin.on('end', () => database.close());
} catch (error) {
  say({ open: false, message: GatewayError.from(error).message });
}
