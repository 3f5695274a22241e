"""Reads messages, one JSON object a line, into Slack's own models, which know Slack's limits.

Prints a line for each message that a model refuses or changes; nothing where all is well.
"""

import json
import sys

from slack_sdk.models.blocks import Block
from slack_sdk.models.metadata import Metadata


def complaint(message):
    blocks = Block.parse_all(message["blocks"])
    again = [block.to_dict() for block in blocks]  # This checks the limits.
    if again != message["blocks"]:
        return f"{message['blocks']} became {again}"
    if len(blocks) > 50:
        return f"{len(blocks)} blocks"
    size = len(json.dumps(message["blocks"], ensure_ascii=False, separators=(",", ":")))
    if size >= 13_000:
        return f"{size} characters of blocks"
    if not 0 < len(message["text"]) <= 40_000:
        return f"{len(message['text'])} characters of text"
    if "metadata" in message:
        Metadata(**message["metadata"]).to_dict()
    return None


for number, line in enumerate(sys.stdin):
    message = json.loads(line)
    try:
        wrong = complaint(message)
    except Exception as error:  # Each model has errors of its own.
        wrong = repr(error)
    if wrong:
        print(f"message {number}: {wrong}")
