"""The scripted model: answers every question well and after half a second, and notes when each case was first asked about."""
import asyncio
import json
import time

ANSWERS_AFTER_S = 0.5
# What a case's job description begins with, and a blank after its number.
CASE = "bench-case-"
PARAMETERS = {
    "Score the CV": ["technical_skills", "experience", "achievements", "culture"],
    "Score the project": ["correctness", "code_quality", "resilience", "documentation", "creativity"],
}


class Model:
    """A chat completions endpoint on loopback."""

    def __init__(self):
        self.first_asked = {}

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"

    def stop(self):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(length))
                arrived = time.monotonic()
                text = "".join(message["content"] for message in body["messages"])
                if CASE in text:
                    self.first_asked.setdefault(text.split(CASE)[1].split(" ")[0], arrived)
                await asyncio.sleep(ANSWERS_AFTER_S)
                answer = json.dumps(completion(text)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def completion(text):
    names = next((names for task, names in PARAMETERS.items() if f"Task: {task}" in text), None)
    if names:
        content = {name: {"score": 3, "evidence": [], "reason": "Because."} for name in names} | {"feedback": "Feedback."}
    else:
        content = {"cv_feedback": "About.", "project_feedback": "About.", "overall_summary": "All in all."}
    message = {"role": "assistant", "content": json.dumps(content)}
    return {"model": "scripted", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
