import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema.ts',
  out: './drizzle',
  // Where src/db/migrate.ts keeps its record too, so that `drizzle-kit migrate` agrees with a start of the gateway.
  migrations: { schema: 'dragon', table: 'migrations' },
  schemaFilter: ['dragon'],
});
