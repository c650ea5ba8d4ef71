import { BedrockRuntimeClient, ConverseCommand } from "@aws-sdk/client-bedrock-runtime";

const client = new BedrockRuntimeClient({ region: process.env.AWS_REGION });
const answer = await client.send(
  new ConverseCommand({
    modelId: process.env.BEDROCK_MODEL_ID,
    messages: [{ role: "user", content: [{ text: "Hello" }] }],
  }),
);
console.log(answer.output?.message?.content?.[0]?.text);
