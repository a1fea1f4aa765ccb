import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Kills the process groups of our children when the gateway is gone, however it went. A shell of one megabyte reads
 * their group ids from a pipe; when the pipe closes, the gateway has died or stopped, and what is still on the list
 * is ended: first asked, then, after two seconds, killed. Nothing in the gateway's own process could do that after a
 * `kill -9`. Signals are named by `-s`: dash takes no group after `-TERM`.
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=' '
while read -r op group; do
  case $op in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
tries=0
while [ $tries -lt 20 ]; do
  alive=''
  for group in $groups; do kill -s 0 -- "-$group" 2>/dev/null && alive="$alive$group "; done
  [ -z "$alive" ] && exit 0
  sleep 0.1
  tries=$((tries + 1))
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

/** Process groups exist on POSIX systems; elsewhere a closed stdin has to tell the children. */
const HAS_GROUPS = process.platform !== 'win32';

export class Reaper {
  readonly #groups = new Set<number>();
  #shell: ChildProcess | undefined;
  #closed = false;

  /** From now on the group dies with the gateway. */
  add(group: number): void {
    if (!HAS_GROUPS) return;
    this.#groups.add(group);
    if (this.#shell === undefined) this.#start();
    else this.#tell(`+ ${group}`);
  }

  /** The group is gone. */
  remove(group: number): void {
    if (this.#groups.delete(group)) this.#tell(`- ${group}`);
  }

  close(): void {
    this.#closed = true;
    this.#shell?.stdin?.end();
  }

  #start(): void {
    if (this.#closed) return;
    // Detached: a Ctrl-C on the terminal goes to the gateway's group, and the reaper must outlive that.
    const shell = spawn('/bin/sh', ['-c', SCRIPT], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      env: {},
    });
    this.#shell = shell;
    shell.unref();
    shell.stdin.on('error', () => {});
    shell.on('error', () => {});
    shell.on('exit', () => {
      this.#shell = undefined;
      if (this.#groups.size > 0) this.#start();
    });
    for (const group of this.#groups) this.#tell(`+ ${group}`);
  }

  #tell(line: string): void {
    this.#shell?.stdin?.write(`${line}\n`);
  }
}

/** Sends a signal to a whole process group; a group that is gone is fine. */
export function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(HAS_GROUPS ? -group : group, signal);
    return true;
  } catch {
    return false;
  }
}
