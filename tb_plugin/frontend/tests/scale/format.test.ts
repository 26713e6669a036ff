import { describe, expect, it } from "vitest";
import {
  effectValue,
  evidenceLabel,
  fixed,
  headLabel,
  metricValue,
  orNaN,
  percent,
  scientific,
  signed,
  stepLabel,
  thousands,
} from "../../src/scale/format";
import { fitText, sentenceText, tokenText } from "../../src/scale/text";

describe("numbers", () => {
  it("carry a true minus and never a negative zero", () => {
    expect(fixed(-0.5)).toBe("−0.50");
    expect(fixed(-0.0001)).toBe("0.00");
    expect(signed(0.25)).toBe("+0.25");
    expect(signed(0.0001)).toBe("0.00");
    expect(fixed(Number.NaN)).toBe("–");
  });

  it("that are infinite are said to be so, and are not taken for unknown ones", () => {
    const both = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const written of [fixed, metricValue]) {
      expect(both.map((value) => written(value))).toEqual(["∞", "−∞"]);
    }
    for (const written of [signed, effectValue]) {
      expect(both.map((value) => written(value))).toEqual(["+∞", "−∞"]);
    }
    expect(metricValue(Number.NaN)).toBe("–");
    expect([Number.NaN, 0.5].map((value) => orNaN(value, percent))).toEqual(["NaN", "50 %"]);
  });

  it("are grouped by thin spaces and rounded to whole percents", () => {
    expect(thousands(1234567)).toBe("1\u202f234\u202f567");
    expect(thousands(120)).toBe("120");
    expect(percent(0.645)).toBe("65 %");
    expect(scientific(1.2e-7)).toBe("1e−7");
  });
});

describe("names", () => {
  it("count layers and heads from one", () => {
    expect(headLabel({ layer: 0, head: 11 })).toBe("L1 H12");
  });

  it("name a step by its epoch and its step", () => {
    expect(stepLabel({ epoch: 3, step: 1200 })).toBe("epoch 3 · step 1\u202f200");
  });

  it.each([
    ["model", null, "model’s own tensor"],
    ["verified", 1e-7, "recomputed and verified, error 1e−7"],
    ["verified", 0, "recomputed and verified, exact"],
    ["unverified", null, "unverified"],
  ] as const)("say how far weights that are %s (%s) can be trusted", (evidence, error, text) => {
    expect(evidenceLabel(evidence, error)).toBe(text);
  });
});

describe("tokenText", () => {
  it.each([
    ["Ġflight", "flight"],
    ["▁flight", "flight"],
    ["##ing", "##ing"],
    ["", "␣"],
    ["   ", "␣"],
    ["▁", "␣"],
    ["a\nb", "a↵b"],
    ["\u202eevil", "\ufffdevil"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
  ])("shows %j as %j", (token, shown) => {
    expect(tokenText(token)).toBe(shown);
  });

  it("cuts a token of ten thousand letters", () => {
    expect(tokenText("x".repeat(10_000)).length).toBeLessThan(300);
  });
});

describe("fitText", () => {
  const width = (text: string): number => 10 * [...text].length;

  it("keeps what fits and cuts the rest, never through a surrogate pair", () => {
    expect(fitText("abc", 30, width)).toBe("abc");
    expect(fitText("abcdef", 40, width)).toBe("abc…");
    expect(fitText("😀😀😀😀", 30, width)).toBe("😀😀…");
    expect(fitText("abc", 0, width)).toBe("a…");
  });
});

describe("metricValue", () => {
  it("shows a small effect as what it is, and never a number that is nearly none", () => {
    expect([0.003, -0.0004, 0.007, 0.25, 0].map((value) => metricValue(value))).toEqual([
      "0.003",
      "−0.0004",
      "0.01",
      "0.25",
      "0.00",
    ]);
    expect([1e-9, 1234.5, Number.NaN].map((value) => metricValue(value))).toEqual([
      "0.00",
      "1235",
      "–",
    ]);
  });
});

describe("sentenceText", () => {
  it("leaves out special tokens and joins pieces", () => {
    expect(sentenceText({ text: ["[CLS]", "re", "##book", "it", "[SEP]"], special: [0, 4] })).toBe(
      "rebook it",
    );
    expect(sentenceText({ text: ["▁my", "▁fl", "ight"], special: [] })).toBe("my flight");
  });
});
