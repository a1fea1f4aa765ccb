// A process that puts one entry into the event stream of the Redis its argument names, and is killed before anything else
// can happen: `append-and-die.ts URL PREFIX DATA`.
import { createRedisCoordination } from '../../src/coordination/redis/index.ts';
import { recordingLogger } from './fakes.ts';

const [url = '', keyPrefix = '', data = ''] = process.argv.slice(2);
const { events } = await createRedisCoordination({
  url,
  keyPrefix,
  nodeId: `dying-${process.pid}`,
  logger: recordingLogger(),
});
void events?.append(data);
process.kill(process.pid, 'SIGKILL');
