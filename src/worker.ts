// What a worker's process runs; its primary starts it.
import { enableCompileCache } from 'node:module';

// Before anything else is loaded, as in main.ts.
enableCompileCache();
const { runWorker } = await import('./run-worker.ts');
await runWorker();
