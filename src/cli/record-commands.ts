import { setTimeout as delay } from 'node:timers/promises';
import { durationFromMs, durationMs, timestampDate, timestampMs } from '@bufbuild/protobuf/wkt';
import {
  type RecordedRequest,
  RecordedRequestSchema,
  type Recording,
  RecordingSchema,
} from '../gen/dragon/turnstile/api/v1/recording_pb.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { type Management, messageJson } from './management.ts';
import { printable, table } from './table.ts';

const PAGE_SIZE = 200;
const LOOK_MS = 500;

export async function record(
  io: Io,
  options: GlobalOptions,
  management: Management,
  userId: string,
  { minutes, follow = false }: { readonly minutes: number; readonly follow?: boolean },
) {
  const duration = durationFromMs(minutes * 60_000);
  const { recording } = await management.startRecording({ userId, duration });
  if (recording === undefined) return;
  if (!follow) {
    print(io, options, messageJson(RecordingSchema, recording), () => startedText(recording));
    return;
  }
  io.err(`${startedText(recording)}\n`);
  await showRecording(io, options, management, recording.id, true);
}

export async function listRecordings(io: Io, options: GlobalOptions, management: Management) {
  const recordings: Recording[] = [];
  let pageToken = '';
  do {
    const page = await management.listRecordings({ pageSize: PAGE_SIZE, pageToken });
    recordings.push(...page.recordings);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const json = recordings.map((recording) => messageJson(RecordingSchema, recording));
  print(io, options, json, () =>
    recordings.length === 0
      ? 'No recordings. Make one: dragon record USER'
      : table(['id', 'user', 'by', 'started', 'ends'], recordings.map(cellsOf)),
  );
}

export async function stopRecording(io: Io, options: GlobalOptions, management: Management, id: string) {
  const { recording } = await management.stopRecording({ id });
  if (recording === undefined) return;
  print(io, options, messageJson(RecordingSchema, recording), () => `Stopped recording ${recording.userId}.`);
}

/** With `follow` until the recording is over. JSON: one object a line, as they come. */
export async function showRecording(
  io: Io,
  options: GlobalOptions,
  management: Management,
  id: string,
  follow: boolean,
) {
  let pageToken = '';
  for (;;) {
    const page = await management.getRecording({ id, pageSize: PAGE_SIZE, pageToken });
    for (const request of page.requests) io.out(`${options.json ? jsonLine(request) : textOf(request)}\n`);
    pageToken = page.nextPageToken;
    if (pageToken === '') return;
    if (page.requests.length === PAGE_SIZE) continue;
    if (!follow) return;
    await delay(LOOK_MS);
  }
}

function startedText({ id, userId, endTime }: Recording): string {
  const until = endTime === undefined ? '' : ` until ${timestampDate(endTime).toISOString()}`;
  return `Recording ${userId}${until}. Show it: dragon recordings show ${id}`;
}

function cellsOf({ id, userId, startedBy, startTime, endTime }: Recording): string[] {
  const isOver = endTime !== undefined && timestampMs(endTime) <= Date.now();
  const at = (time: Recording['endTime']) => (time === undefined ? '' : timestampDate(time).toISOString());
  return [id, userId, startedBy, at(startTime), isOver ? `ended ${at(endTime)}` : at(endTime)];
}

function jsonLine(request: RecordedRequest): string {
  return JSON.stringify(messageJson(RecordedRequestSchema, request));
}

function textOf(request: RecordedRequest): string {
  const { time, node, session, method, duration, answerBytes, messageCount, failure } = request;
  const head = [
    time === undefined ? '' : timestampDate(time).toISOString(),
    method,
    duration === undefined ? '' : `${durationMs(duration).toFixed(1)} ms`,
    `node ${node}`,
    session === '' ? '' : `session ${session}`,
    messageCount === 0 ? '' : `${messageCount} messages before`,
  ].filter((part) => part !== '');
  const answer = failure === '' ? request.answer || `(${answerBytes} bytes, left out)` : `failed: ${failure}`;
  const lines = [head.join('  '), `  > ${request.request || '(left out)'}`, `  < ${answer}`];
  return lines.map((line) => printable(line.replace(/\s*\n\s*/g, ' '))).join('\n');
}
