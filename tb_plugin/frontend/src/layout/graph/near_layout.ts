// Places of tokens where strong pairs sit closer: the length of an edge follows its weight.

export interface Place {
  readonly y: number;
  readonly z: number;
}

interface Weighted {
  readonly from: number;
  readonly to: number;
  readonly weight: number;
}

const ROUNDS = 24;
/** How far a token may follow its neighbours; the rest holds it at its own angle. */
const PULL = 0.72;

/**
 * Every token between its place on the ring and the weighted mean of its neighbours' places, solved
 * by repetition (Tutte 1963, with springs to the ring). It depends on the weights continuously,
 * and a token without edges stays on the ring.
 */
export function nearPlaces(ring: readonly Place[], edges: readonly Weighted[]): Place[] {
  const total = new Float64Array(ring.length);
  for (const { from, to, weight } of edges) {
    total[from] = (total[from] ?? 0) + weight;
    total[to] = (total[to] ?? 0) + weight;
  }
  const strongest = total.reduce((a, b) => Math.max(a, b), 0) || 1;
  let places = [...ring];
  for (let round = 0; round < ROUNDS; round++) {
    const sums = places.map(() => ({ y: 0, z: 0 }));
    for (const { from, to, weight } of edges) {
      add(sums[from], places[to], weight);
      add(sums[to], places[from], weight);
    }
    places = ring.map((home, token) => {
      const all = total[token] ?? 0;
      const sum = sums[token];
      if (all === 0 || !sum) {
        return home;
      }
      const pull = PULL * Math.sqrt(all / strongest);
      return {
        y: (1 - pull) * home.y + (pull * sum.y) / all,
        z: (1 - pull) * home.z + (pull * sum.z) / all,
      };
    });
  }
  return places;
}

function add(
  sum: { y: number; z: number } | undefined,
  place: Place | undefined,
  weight: number,
): void {
  if (sum && place) {
    sum.y += weight * place.y;
    sum.z += weight * place.z;
  }
}
