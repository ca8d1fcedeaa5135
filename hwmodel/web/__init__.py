"""The page in a browser and the JSON API: the command line's questions over HTTP, on this machine unless told.

Here belong routes, what a request may say, and who may ask. No arithmetic, no words of reports: a question goes to
the same function that the command line calls, in a worker process with a limit on time and memory. The extra `web`
brings Starlette and uvicorn; nothing is imported before it is used.
"""

__all__ = ["openapi", "server"]
