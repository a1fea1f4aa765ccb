import { create } from '@bufbuild/protobuf';
import { durationFromMs, durationMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { LRUCache } from 'lru-cache';
import { ownerKey, type Principal } from '../auth/principal.ts';
import { type EventLog, NO_EVENTS } from '../events/event.ts';
import {
  type RecordedRequest,
  RecordedRequestSchema,
  type Recording,
  RecordingSchema,
} from '../gen/dragon/turnstile/api/v1/recording_pb.ts';
import type { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import type { RecordedExchange, Recorder } from '../recording/recorder.ts';
import { callerOf, requireAdmin } from './caller.ts';
import { decodeToken, encodeToken, pageByKey, toPageRequest } from './pages.ts';

type RecordingMethods = Pick<
  ServiceImpl<typeof TurnstileService>,
  'startRecording' | 'stopRecording' | 'listRecordings' | 'getRecording'
>;

type StoredRecording = Awaited<ReturnType<Recorder['get']>>;

/** Who reads a recording on and on, as it comes, is told of once in so many milliseconds. */
const TOLD_AGAIN_MS = 3_600_000;
const MAX_TOLD = 1000;

/** The part of the management API that is about recordings. All of it is for admins, and about their tenant. */
export function createRecordingMethods(
  recorder: Pick<Recorder, 'start' | 'stop' | 'list' | 'get' | 'read'>,
  events: EventLog = NO_EVENTS,
): RecordingMethods {
  const told = new LRUCache<string, true>({ max: MAX_TOLD, ttl: TOLD_AGAIN_MS });

  function tellRead(reader: Principal, { id, userId: user }: StoredRecording): void {
    const key = JSON.stringify([ownerKey(reader), id]);
    if (told.has(key)) return;
    told.set(key, true);
    const { tenantId, userId } = reader;
    const what = { type: 'management', action: 'GetRecording', outcome: 'ok' } as const;
    events.append({ ...what, tenantId, userId, detail: { id, user } });
  }

  function adminOf(context: HandlerContext) {
    const caller = callerOf(context);
    requireAdmin(caller, 'record what users do');
    return caller;
  }

  return {
    async startRecording({ userId, duration }, context: HandlerContext) {
      const caller = adminOf(context);
      const ms = duration === undefined ? 0 : durationMs(duration);
      return { recording: toRecording(await recorder.start(caller, userId, ms)) };
    },

    async stopRecording({ id }, context: HandlerContext) {
      return { recording: toRecording(await recorder.stop(adminOf(context).tenantId, id)) };
    },

    async listRecordings(request, context: HandlerContext) {
      const all = await recorder.list(adminOf(context).tenantId);
      const keyOf = ({ startedAt, id }: (typeof all)[number]) =>
        `${String(startedAt).padStart(16, '0')} ${id}`;
      const page = pageByKey(all, keyOf, toPageRequest(request));
      return {
        recordings: page.items.map(toRecording),
        nextPageToken: page.nextPageToken ?? '',
        totalSize: page.total,
      };
    },

    async getRecording(request, context: HandlerContext) {
      const caller = adminOf(context);
      const { tenantId } = caller;
      const { pageSize, pageToken } = toPageRequest(request);
      const after = pageToken === undefined ? undefined : decodeToken(pageToken);
      const recording = await recorder.get(tenantId, request.id);
      tellRead(caller, recording);
      const entries = await recorder.read(tenantId, request.id, after, pageSize);
      const last = entries.at(-1)?.id ?? after;
      const isOver = recording.endsAt <= Date.now() && entries.length < pageSize;
      return {
        recording: toRecording(recording),
        requests: entries.flatMap(({ data }) => toRequest(data)),
        nextPageToken: isOver ? '' : encodeToken(last ?? START),
      };
    },
  };
}

/** Before the first entry. */
const START = '0000000000000000-0000000000000000';

function toRecording({ id, userId, startedBy, startedAt, endsAt }: StoredRecording): Recording {
  return create(RecordingSchema, {
    id,
    userId,
    startedBy,
    startTime: timestampFromMs(startedAt),
    endTime: timestampFromMs(endsAt),
  });
}

/** None for what a later version has written. */
function toRequest(data: string): readonly RecordedRequest[] {
  const entry = JSON.parse(data) as RecordedExchange;
  if (entry.v !== 1) return [];
  return [
    create(RecordedRequestSchema, {
      time: timestampFromMs(entry.at),
      node: entry.node,
      session: entry.session ?? '',
      method: entry.method,
      duration: durationFromMs(entry.durationMs),
      request: entry.request ?? '',
      requestBytes: BigInt(entry.requestBytes),
      answer: entry.answer ?? '',
      answerBytes: BigInt(entry.answerBytes),
      messageCount: entry.messages,
      failure: entry.failure ?? '',
    }),
  ];
}
