/** Where answers of Kafka have their error codes, at the versions that our own requests have. */

export interface SpokenApi {
  readonly apiKey: number;
  readonly version: number;
  /** Bytes behind the correlation id where the first error code lies; undefined: there is none. */
  readonly errorAt: (answer: Buffer) => number | undefined;
}

const afterThrottle = (): number => 4;

/** Of the first partition of the first topic, when the topics begin at `at`: number, error code. */
const ofFirstPartition =
  (at: number) =>
  (answer: Buffer): number | undefined => {
    if (answer.readInt32BE(at) === 0) return undefined;
    const partitionsAt = at + 4 + 2 + answer.readInt16BE(at + 4);
    return answer.readInt32BE(partitionsAt) === 0 ? undefined : partitionsAt + 4 + 4;
  };

/** Of the first topic, behind the brokers (id, host, port, rack), the cluster's id and the controller. */
function ofFirstTopic(answer: Buffer): number | undefined {
  let at = 4;
  const skipString = (): void => {
    at += 2 + Math.max(0, answer.readInt16BE(at));
  };
  const brokers = answer.readInt32BE(at);
  at += 4;
  for (let broker = 0; broker < brokers; broker++) {
    at += 4;
    skipString();
    at += 4;
    skipString();
  }
  skipString();
  at += 4;
  return answer.readInt32BE(at) === 0 ? undefined : at + 4;
}

export const spoken = {
  produce: { apiKey: 0, version: 7, errorAt: ofFirstPartition(0) },
  fetch: { apiKey: 1, version: 11, errorAt: ofFirstPartition(10) },
  listOffsets: { apiKey: 2, version: 2, errorAt: ofFirstPartition(4) },
  metadata: { apiKey: 3, version: 4, errorAt: ofFirstTopic },
  offsetCommit: { apiKey: 8, version: 5, errorAt: ofFirstPartition(4) },
  findCoordinator: { apiKey: 10, version: 1, errorAt: afterThrottle },
  joinGroup: { apiKey: 11, version: 4, errorAt: afterThrottle },
  heartbeat: { apiKey: 12, version: 1, errorAt: afterThrottle },
  syncGroup: { apiKey: 14, version: 1, errorAt: afterThrottle },
  initProducerId: { apiKey: 22, version: 1, errorAt: afterThrottle },
} as const satisfies Readonly<Record<string, SpokenApi>>;

/** False when the answer has no place for it. */
export function putErrorCode(api: SpokenApi, answer: Buffer, errorCode: number): boolean {
  const at = api.errorAt(answer);
  if (at === undefined) return false;
  answer.writeInt16BE(errorCode, at);
  return true;
}
