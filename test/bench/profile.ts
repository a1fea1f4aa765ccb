import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from './context.ts';
import { Inspector } from './inspector.ts';
import { profileTable, summarise } from './profile-summary.ts';
import { GATEWAY } from './results.ts';
import { Scope } from './scope.ts';
import { startDownstream, startTarget } from './targets.ts';

/** Until the hot functions are compiled, in milliseconds. */
const WARMUP_MS = 2000;

/** Profiles the gateway under calls of 100 B over 64 connections. Prints where the profile is, and a summary. */
export async function profile(context: Context): Promise<void> {
  await using scope = new Scope();
  const { tools, pinning, plan, log } = context;
  const downstream = await startDownstream(context, scope);
  const target = await startTarget(context, scope, downstream, GATEWAY, { isInspected: true });
  if (target.inspectorUrl === undefined) throw new Error('The gateway has no inspector');
  const inspector = await Inspector.connect(target.inspectorUrl);
  scope.onEnd(() => inspector.close());
  const profileMs = plan.isQuick ? 2000 : 6000;
  const [file, ...args] = [
    ...[...pinning.rest, ...tools.load, ...(tools.isInC ? ['--mode', 'call'] : [])],
    ...['--url', target.url, '--sessions', '64', '--payload', '100'],
    ...['--duration', String((WARMUP_MS + profileMs) / 1000 + 1), '--warmup', '0'],
  ];
  const load = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  load.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const ended = once(load, 'close');
  await delay(WARMUP_MS);
  await inspector.startProfile();
  await delay(profileMs);
  const cpuProfile = await inspector.stopProfile();
  await ended;
  const { errors, firstError } = JSON.parse(printed);
  if (errors > 0) throw new Error(`${errors} calls failed: ${firstError}`);
  const path = join(await mkdtemp(join(tmpdir(), 'dragon-profile-')), 'gateway.cpuprofile');
  await writeFile(path, JSON.stringify(cpuProfile));
  log(`\nCPU profile of the gateway, 100 B over 64 connections: ${path}`);
  log('Share of its busy time:');
  log(profileTable(summarise(cpuProfile)));
}
