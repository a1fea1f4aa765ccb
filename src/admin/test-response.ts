import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { TestReport } from '../catalog/types.ts';
import {
  TestMcpServerResponse_Era as Era,
  type TestMcpServerResponse,
  TestMcpServerResponseSchema,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { toJsonObject } from './json-object.ts';

const ERAS = { legacy: Era.LEGACY, modern: Era.MODERN } as const;

export function toTestResponse(report: TestReport): TestMcpServerResponse {
  const latency = durationFromMs(Math.round(report.latencyMs));
  if (!report.ok) {
    return create(TestMcpServerResponseSchema, {
      latency,
      outcome: { case: 'failure', value: { error: report.error } },
    });
  }
  return create(TestMcpServerResponseSchema, {
    latency,
    outcome: {
      case: 'success',
      value: {
        era: ERAS[report.era],
        protocolVersion: report.protocolVersion,
        serverInfo: toJsonObject(report.serverInfo),
        capabilities: toJsonObject(report.capabilities),
        toolCount: report.toolCount,
      },
    },
  });
}
