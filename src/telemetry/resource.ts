import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';

/** Who tells. */
export interface Instance {
  readonly version: string;
  readonly nodeId: string;
}

/** What all telemetry says of where it comes from; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have the last word. */
export function resourceOf({ version, nodeId }: Instance): Resource {
  return resourceFromAttributes({
    [ATTR_SERVICE_NAME]: 'dragon',
    [ATTR_SERVICE_VERSION]: version,
    'service.instance.id': nodeId,
  }).merge(detectResources({ detectors: [envDetector] }));
}
