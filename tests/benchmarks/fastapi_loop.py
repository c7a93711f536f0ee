"""What people write to serve a model: FastAPI, and one run of ONNX Runtime for each request.

``python fastapi_loop.py MODEL PORT``; a request is a row of float32, its answer the model's last output.
"""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
port = session.get_inputs()[0]
app = FastAPI()


@app.post("/infer")
async def infer(request: Request) -> Response:
    row = np.frombuffer(await request.body(), np.float32).reshape(1, *port.shape[1:])
    values = await asyncio.to_thread(session.run, [session.get_outputs()[-1].name], {port.name: row})
    return Response(values[0].tobytes(), media_type="application/octet-stream")


uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
