// Vercel's AI SDK: streamText with a tool. The first argument is the folder that it is installed in.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [installed, router, model, key, questions] = process.argv.slice(2);
const resolve = createRequire(pathToFileURL(`${installed}/`)).resolve;
const { streamText, tool, stepCountIs, isStepCount } = await import(pathToFileURL(resolve("ai")));
const { createOpenAICompatible } = await import(pathToFileURL(resolve("@ai-sdk/openai-compatible")));
const { z } = await import(pathToFileURL(resolve("zod")));

const provider = createOpenAICompatible({ name: "pointsman", baseURL: `${router}/v1`, apiKey: key });
const read_file = tool({
  description: "Read a file.",
  inputSchema: z.object({ path: z.string() }),
  execute: async ({ path }) => readFileSync(path, "utf8"),
});
const messages = [];
for (const question of JSON.parse(questions)) {
  messages.push({ role: "user", content: question });
  let problem;
  const result = streamText({
    model: provider(model),
    messages,
    tools: { read_file },
    stopWhen: (stepCountIs ?? isStepCount)(8),
    onError: ({ error }) => { problem = error; },
  });
  await result.consumeStream();
  if (problem) {
    console.error(`error: ${problem.message ?? problem}`);
    process.exit(1);
  }
  console.log(await result.text);
  messages.push(...(await result.response).messages);
}
