import { Hono } from 'hono';
import type { Readiness } from '../admin/health.ts';

/** `/healthz`: the process answers. `/readyz`: it takes calls, or 503 with the reasons why not. */
export function createHealthApp(readiness: Readiness): Hono {
  const app = new Hono();
  app.get('/healthz', (context) => context.text('ok\n'));
  app.get('/readyz', (context) => {
    const { ready, reasons } = readiness();
    return context.json({ ready, reasons }, ready ? 200 : 503);
  });
  app.notFound((context) =>
    context.json({ code: 'not_found', message: 'There is nothing at this path' }, 404),
  );
  return app;
}
