/** What one check has found. */
export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  /** `skipped`: it could not be looked at, and that is no fault. */
  readonly state: 'ok' | 'warning' | 'fault' | 'skipped';
  readonly message: string;
  /** What mends it; absent where there is nothing to do. */
  readonly remedy?: string;
}

export function ok(check: string, message: string): Finding {
  return { check, state: 'ok', message };
}

export function skipped(check: string, message: string): Finding {
  return { check, state: 'skipped', message };
}

export function warning(check: string, message: string, remedy: string): Finding {
  return { check, state: 'warning', message, remedy };
}

export function fault(check: string, message: string, remedy: string): Finding {
  return { check, state: 'fault', message, remedy };
}

/** Clocks this far apart, in milliseconds, make times in the event log and ends of tokens doubtful. */
const MAX_CLOCK_MS = 1000;

/** `ahead`: by how many milliseconds; `whose` and `of`: the two clocks. */
export function clockFinding(whose: string, of: string, ahead: number): Finding {
  const apart = `${Math.abs(ahead)} ms ${ahead < 0 ? 'behind' : 'ahead of'} that of ${of}`;
  if (Math.abs(ahead) <= MAX_CLOCK_MS) return ok('clocks', `the clock of ${whose} goes with that of ${of}`);
  return fault(
    'clocks',
    `the clock of ${whose} is ${apart}`,
    'Have all machines set their clocks by NTP (timedatectl set-ntp true, or chrony).',
  );
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
