import { examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { managementUrl } from './addresses.ts';
import { checkGateway } from './doctor-gateway.ts';
import { ExitCode } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { connectManagement } from './management.ts';
import { printable } from './table.ts';

/** Exit code 1 where there is a fault; warnings are none. */
export async function doctor(io: Io, options: GlobalOptions): Promise<ExitCode> {
  const { findings: examined, config, isRunning } = await examine(io.env);
  const findings = [...examined];
  if (isRunning || options.managementUrl !== undefined) {
    const url = managementUrl(io, options);
    findings.push(...(await checkGateway(connectManagement(url, options.apiKey), url)));
  } else if (config !== undefined) {
    findings.push({
      check: 'gateway',
      state: 'skipped',
      message: 'none runs here, so servers were not looked at',
    });
  }
  const isOk = findings.every(({ state }) => state !== 'fault');
  print(io, options, { ok: isOk, findings }, () => textOf(findings, isOk));
  return isOk ? ExitCode.Ok : ExitCode.Failed;
}

const LABELS: Readonly<Record<Finding['state'], string>> = {
  ok: 'ok',
  warning: 'WARNING',
  fault: 'FAULT',
  skipped: '-',
};

function textOf(findings: readonly Finding[], isOk: boolean): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ check, state, message, remedy }) => [
    `${LABELS[state].padEnd(8)} ${check.padEnd(width)}  ${printable(message.replace(/\s+/g, ' '))}`,
    ...(remedy === undefined ? [] : [`${' '.repeat(9)}${' '.repeat(width)}  → ${printable(remedy)}`]),
  ]);
  const faults = findings.filter(({ state }) => state === 'fault').length;
  return [...lines, '', isOk ? 'No faults.' : `${faults} ${faults === 1 ? 'fault' : 'faults'}.`].join('\n');
}
