"""llama.cpp's own server, of the PyPI package `xllamacpp`, started by vLLM's arguments.

Run by the Python of the environment that `tests/qwen/fetch.py` makes.
"""

import argparse
import os
import signal

import xllamacpp


def main() -> None:
    """Serve one chat at a time until killed, under the key in `VLLM_API_KEY`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name")
    parser.add_argument("--max-model-len", type=int)
    told, _ = parser.parse_known_args()
    params = xllamacpp.CommonParams()
    params.model.path = told.model
    params.model_alias = {told.served_model_name}
    params.hostnames, params.port = [told.host], told.port
    params.api_keys = [os.environ["VLLM_API_KEY"]]
    params.n_ctx, params.n_parallel = told.max_model_len, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
