// Live tests: what a provider answers before anything is saved, in words.

import { Ended, send } from "./api.js";
import { complain } from "./notices.js";
import { plural, wait } from "./format.js";

/** Tests a provider: its list of models, and with `asks` one model for a token too. `listed(ids)` is called with the
 * models that chat. Resolves to the report with `words` and `problem`; undefined if the router refused the request. */
export async function tested(path, asked, asks, listed = () => {}) {
  let report = await told(path, asked);
  if (!report) return undefined;
  listed(report.listed);
  if (asks) {
    const model = asked.models?.[0]?.id ?? report.listed[0];
    if (model) report = (await told(path, { ...asked, ask: model })) ?? report;
  }
  const models = report.models === null ? "" : `, ${plural(report.models, "model")} listed`;
  const answered = report.asked ? `, ${report.asked.model}: ${report.asked.message}` : "";
  return {
    ...report,
    words: `${report.message} (${wait(report.ms)}${models}${answered})`,
    problem: report.ok ? "" : sentence(report.asked && !report.asked.ok ? report.asked.message : report.message),
  };
}

async function told(path, asked) {
  try {
    return await send("POST", path, asked);
  } catch (error) {
    if (!(error instanceof Ended)) complain(error.words ?? error.message);
    return undefined;
  }
}

const sentence = (words) => `Not added. The test failed: ${words}.`;
