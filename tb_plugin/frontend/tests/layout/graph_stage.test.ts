import { describe, expect, it } from "vitest";
import { FIRST_CAMERA, moved, turned, zoomed } from "../../src/layout/graph/camera";
import { LINE_HEIGHT, placeNames, spread } from "../../src/layout/graph/names";
import { projection } from "../../src/layout/graph/projection";
import { extent, seats } from "../../src/layout/graph/seats";

const SIZES = [
  { width: 930, height: 668 },
  { width: 760, height: 560 },
  { width: 1500, height: 900 },
];

const stage = (layers: number, focus: readonly number[], classes = 0) => ({
  layers,
  tokens: () => 64,
  focus,
  names: 90,
  classes,
});

describe("the planes of the graph", () => {
  it.each([1, 2, 3, 6, 12])("%i of them stand beside each other, whichever is chosen", (rings) => {
    for (const size of SIZES) {
      for (const chosen of [0, Math.floor(rings / 2), rings - 1]) {
        for (const classes of [false, true]) {
          const row = seats({ rings, focus: [chosen], names: 90, classes }, size);
          const boxes = row.map(extent);
          boxes.slice(1).forEach((box, at) => {
            expect(box.left).toBeGreaterThan(boxes[at]?.right ?? 0);
          });
        }
      }
    }
  });

  it("use the height of the window and most of its width", () => {
    for (const rings of [2, 6, 12]) {
      const size = { width: 930, height: 668 };
      const scene = projection(stage(rings, [1]), size, FIRST_CAMERA);
      const spots = Array.from({ length: rings }, (_, ring) => scene.rim(ring)).flat();
      const [xs, ys] = [spots.map(({ x }) => x), spots.map(({ y }) => y)];
      expect(Math.max(...ys) - Math.min(...ys)).toBeGreaterThan(0.8 * size.height);
      expect(Math.max(...xs) - Math.min(...xs)).toBeGreaterThan(0.75 * size.width);
    }
  });

  it("and all their tokens lie inside the window at the first camera, with room for names", () => {
    for (const size of SIZES) {
      for (const rings of [1, 2, 6, 24]) {
        const scene = projection(stage(rings, [0], 3), size, FIRST_CAMERA);
        for (let ring = 0; ring < rings; ring++) {
          for (let token = 0; token < 64; token++) {
            const { x, y } = scene.token(ring, token);
            expect(x).toBeGreaterThan(ring === 0 ? 60 : 0);
            expect(x).toBeLessThan(size.width - 118);
            expect(y).toBeGreaterThan(30);
            expect(y).toBeLessThan(size.height - 46);
          }
        }
      }
    }
  });

  it("stand later layers further right", () => {
    const scene = projection(stage(6, [2]), { width: 930, height: 668 }, FIRST_CAMERA);
    const middles = Array.from({ length: 6 }, (_, ring) => scene.middle(ring).x);
    expect(middles).toEqual([...middles].sort((a, b) => a - b));
  });
});

describe("the camera", () => {
  const size = { width: 900, height: 640 };

  it("keeps what is under the pointer there while the wheel zooms", () => {
    let camera = FIRST_CAMERA;
    const spot = projection(stage(6, [2]), size, camera).token(4, 40);
    const pointer = { x: spot.x - size.width / 2, y: spot.y - size.height / 2 };
    for (const factor of [1.5, 2, 0.8]) {
      camera = zoomed(camera, factor, pointer);
      const now = projection(stage(6, [2]), size, camera).token(4, 40);
      expect([now.x, now.y]).toEqual([expect.closeTo(spot.x, 6), expect.closeTo(spot.y, 6)]);
    }
    const back = zoomed(camera, 1e-9, pointer);
    expect([back.x, back.y]).toEqual([0, 0]);
  });

  it("moves by as many px as the pointer, and turns no further than over the top", () => {
    expect(moved({ ...FIRST_CAMERA, zoom: 3, x: 5 }, { x: 10, y: -7 })).toMatchObject({
      x: 15,
      y: -7,
      zoom: 3,
    });
    expect(turned(FIRST_CAMERA, { x: 100, y: 1e6 })).toMatchObject({ pitch: 1.3 });
    expect(turned(FIRST_CAMERA, { x: 100, y: 0 }).yaw).toBeCloseTo(0.14);
  });
});

describe("names beside a plane", () => {
  it("do not lie on each other, stay in order and near their tokens", () => {
    const size = { width: 930, height: 668 };
    for (const tokens of [5, 13, 40, 64]) {
      const scene = projection({ ...stage(12, [5]), tokens: () => tokens }, size, FIRST_CAMERA);
      const named = Array.from({ length: tokens }, (_, token) => {
        const { x, y } = scene.token(5, token);
        return { token, x, y, rank: 0 };
      });
      const placed = placeNames(named, scene.rim(5), { top: 22, bottom: size.height - 46 });
      expect(placed).toHaveLength(tokens);
      for (const side of ["left", "right"]) {
        const column = placed.filter((name) => name.side === side);
        column.slice(1).forEach(({ y, token }, at) => {
          const above = column[at];
          expect(y - (above?.y ?? 0)).toBeGreaterThanOrEqual(LINE_HEIGHT - 1e-9);
          const [upper, lower] = [named[above?.token ?? 0]?.y ?? 0, named[token]?.y ?? 0];
          expect(lower).toBeGreaterThanOrEqual(upper);
        });
      }
      for (const { token, y } of placed) {
        expect(Math.abs(y - (named[token]?.y ?? 0))).toBeLessThan(60);
      }
    }
  });

  it("name those of higher rank where there is no room for all", () => {
    const tokens = Array.from({ length: 40 }, (_, token) => ({
      token,
      x: -10,
      y: token * 3,
      rank: token % 4 === 0 ? 1 : 0,
    }));
    const rim = [
      { x: -10, y: 0 },
      { x: 10, y: 0 },
      { x: 10, y: 200 },
      { x: -10, y: 200 },
    ];
    const placed = placeNames(tokens, rim, { top: 0, bottom: 10 * LINE_HEIGHT });
    expect(placed.map(({ token }) => token % 4)).toEqual(Array(10).fill(0));
  });
});

describe("spread", () => {
  it("moves places as little as possible until they are apart", () => {
    expect(spread([10, 10, 50], 10, 0, 100)).toEqual([5, 15, 50]);
    expect(spread([0, 1], 10, 0, 100)).toEqual([0, 10]);
    expect(spread([99, 100], 10, 0, 100)).toEqual([90, 100]);
    expect(spread([], 10, 0, 100)).toEqual([]);
  });
});
