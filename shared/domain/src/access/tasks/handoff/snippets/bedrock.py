import os

import boto3

client = boto3.client("bedrock-runtime", region_name=os.environ["AWS_REGION"])
answer = client.converse(
    modelId=os.environ["BEDROCK_MODEL_ID"],
    messages=[{"role": "user", "content": [{"text": "Hello"}]}],
)
print(answer["output"]["message"]["content"][0]["text"])
