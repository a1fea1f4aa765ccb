import { clockFinding, type Finding, fault, ok, reasonOf, skipped, warning } from './finding.ts';

const CHECK = 'Redis';
/** What the scripts and lists need. */
const OLDEST = [6, 2] as const;

export async function checkRedis(url: string | undefined): Promise<readonly Finding[]> {
  if (url === undefined) return [skipped(CHECK, 'REDIS_URL is not set: this gateway is one node')];
  const { inspectRedis } = await import('../coordination/redis/inspect.ts');
  try {
    return (await inspectRedis(url)).flatMap(findingsOf);
  } catch (error) {
    return [
      fault(
        CHECK,
        `cannot be used: ${reasonOf(error)}`,
        'Check that Redis runs, and that address, user, password and TLS in REDIS_URL are right (redis-cli -u "$REDIS_URL" ping).',
      ),
    ];
  }
}

type Report = Awaited<ReturnType<typeof import('../coordination/redis/inspect.ts')['inspectRedis']>>[number];

function findingsOf(report: Report): readonly Finding[] {
  const { place, version, role, evictionPolicy, appendOnly, snapshots, isCluster, clockAheadMs } = report;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  const kind = isCluster ? 'a server of a Redis Cluster' : 'Redis';
  return [
    isOld
      ? fault(CHECK, `${place} is version ${version}`, `Use ${OLDEST.join('.')} or later.`)
      : ok(CHECK, `${place} answers: ${kind}, version ${version}`),
    ...(role === 'master'
      ? []
      : [
          fault(
            CHECK,
            `${place} is a replica, which takes no writes`,
            'Have REDIS_URL name the master, or its sentinels (redis+sentinel://).',
          ),
        ]),
    evictionPolicy === 'noeviction'
      ? ok('Redis eviction', `${place} drops nothing of its own accord (noeviction)`)
      : fault(
          'Redis eviction',
          `${place} drops keys when it is full (maxmemory-policy ${evictionPolicy}): sessions and jobs would get lost`,
          'redis-cli CONFIG SET maxmemory-policy noeviction, and the same in redis.conf.',
        ),
    appendOnly || snapshots !== false
      ? ok(
          'Redis persistence',
          appendOnly ? `${place} writes what it is told to a file` : `${place} writes snapshots`,
        )
      : warning(
          'Redis persistence',
          `${place} keeps nothing on disk: a restart of it ends all sessions, and loses events that are not in the database yet`,
          'redis-cli CONFIG SET appendonly yes, and the same in redis.conf.',
        ),
    clockFinding('this machine', `Redis at ${place}`, clockAheadMs),
  ];
}
