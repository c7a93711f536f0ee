"""What people write to serve a model: FastAPI, and one run of ONNX Runtime for each request.

``python fastapi_loop.py MODEL PORT SPINNING``; a request is a row of float32, its answer the model's last output.
SPINNING is 1 as by default, or 0: then threads of ONNX Runtime sleep between operators, as they do in ``resdsl serve``.
"""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.intra_op.allow_spinning", sys.argv[3])
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
port = session.get_inputs()[0]
app = FastAPI()


@app.post("/infer")
async def infer(request: Request) -> Response:
    row = np.frombuffer(await request.body(), np.float32).reshape(1, *port.shape[1:])
    values = await asyncio.to_thread(session.run, [session.get_outputs()[-1].name], {port.name: row})
    return Response(values[0].tobytes(), media_type="application/octet-stream")


uvicorn.run(app, port=int(sys.argv[2]), log_level="error")
